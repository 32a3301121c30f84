import Hosting
import Network
import Sessions

/// The sessions of a connection whose responses were not to be stored: they live as long as it does, or until they go from memory for
/// their age or size.
///
/// By name only, so that what is forgotten is gone. Loop-confined.
struct EphemeralSessions {
    /// How many names there are before those of sessions that are gone are looked for.
    private static let minBound = 64

    private var loops: [String: EventLoop] = [:]
    private var bound = minBound

    var count: Int { loops.count }

    /// - Parameter loop: the session's.
    mutating func insert(_ id: String, on loop: EventLoop, _ residency: Residency<Session>) {
        if loops.count >= bound, loops[id] == nil {
            loops = residency.present(loops)
            // So that a look at all of them is paid by as many that came.
            bound = max(Self.minBound, 2 * loops.count)
        }
        loops[id] = loop
    }

    /// Has each forgotten once nothing runs in it and nobody reads.
    mutating func release(_ context: ServerContext) {
        for (id, loop) in loops { Self.release(id, on: loop, context) }
        loops = [:]
    }

    static func release(_ id: String, on loop: EventLoop, _ context: ServerContext) {
        loop.execute { context.sessions(on: loop).residents.releaseWhenIdle(id) }
    }
}
