package import Hosting
package import Network
package import Sessions

/// A connection's sessions with `store: false`: they live as long as the connection, unless their age or size pushes them out of
/// memory.
///
/// Holds identifiers only, so that forgotten sessions are gone. Loop-confined.
package struct EphemeralSessions {
    /// Number of identifiers at which those of forgotten sessions are first removed.
    private static let minBound = 64

    private var loops: [String: EventLoop] = [:]
    private var bound = minBound

    /// No sessions.
    package init() {}

    var count: Int { loops.count }

    /// Adds a session.
    /// - Parameter loop: the session's.
    package mutating func insert(_ id: String, on loop: EventLoop, _ residency: Residency<Session>) {
        if loops.count >= bound, loops[id] == nil {
            loops = residency.present(loops)
            // Doubles the bound, so that the cost of a scan is shared by as many insertions.
            bound = max(Self.minBound, 2 * loops.count)
        }
        loops[id] = loop
    }

    /// Makes each session be forgotten once it is idle.
    package mutating func release(_ directory: SessionDirectory) {
        for (id, loop) in loops { Self.release(id, on: loop, directory) }
        loops = [:]
    }

    /// Makes one session be forgotten once it is idle.
    /// - Parameter loop: the session's.
    package static func release(_ id: String, on loop: EventLoop, _ directory: SessionDirectory) {
        loop.execute { directory.sessions(on: loop).residents.releaseWhenIdle(id) }
    }
}
