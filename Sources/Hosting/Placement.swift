package import Network

/// Where an object lives, and with it the way that every command and cursor takes to it.
///
/// There is one case while a server is one machine. A second one, another machine, makes the compiler point at each `switch` that
/// has to tell the two apart; the callers of ``ObjectReference`` do not change.
package enum Placement<Object>: Sendable {
    /// On an event loop of this process.
    case loop(LoopBound<Object>)
}

/// Chooses the event loop that an object is made or loaded on.
package struct PlacementPolicy: Sendable {
    /// Every loop that hosts objects.
    package let loops: [EventLoop]

    /// - Parameter loops: at least one.
    package init(loops: [EventLoop]) { self.loops = loops }

    /// The loop for a new object, or for one that a request loads: the one that the request came in on, so that its client's
    /// commands and events cross no loop.
    package func loop(requestedOn loop: EventLoop) -> EventLoop { loop }

    /// The loop for an object that continues after a restart before a request asks for it: each loop gets as many.
    /// - Parameter index: of the object among those that continue.
    package func loop(forRecovered index: Int) -> EventLoop { loops[index % loops.count] }
}
