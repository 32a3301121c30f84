package import Hosting
package import Network
package import Sessions

/// The sessions of a connection whose responses were not to be stored: they live as long as it does, or until they go from memory for
/// their age or size.
///
/// By name only, so that what is forgotten is gone. Loop-confined.
package struct EphemeralSessions {
    /// How many names there are before those of sessions that are gone are looked for.
    private static let minBound = 64

    private var loops: [String: EventLoop] = [:]
    private var bound = minBound

    package init() {}

    var count: Int { loops.count }

    /// - Parameter loop: the session's.
    package mutating func insert(_ id: String, on loop: EventLoop, _ residency: Residency<Session>) {
        if loops.count >= bound, loops[id] == nil {
            loops = residency.present(loops)
            // So that a look at all of them is paid by as many that came.
            bound = max(Self.minBound, 2 * loops.count)
        }
        loops[id] = loop
    }

    /// Has each forgotten once nothing runs in it and nobody reads.
    package mutating func release(_ directory: SessionDirectory) {
        for (id, loop) in loops { Self.release(id, on: loop, directory) }
        loops = [:]
    }

    package static func release(_ id: String, on loop: EventLoop, _ directory: SessionDirectory) {
        loop.execute { directory.sessions(on: loop).residents.releaseWhenIdle(id) }
    }
}
