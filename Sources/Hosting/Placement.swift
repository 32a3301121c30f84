package import Network

/// Where an object lives, and so how every command and cursor reaches it.
///
/// There is one case while a server is one machine. A second one, for another machine, makes the compiler point at each `switch`
/// that must tell the two apart; the callers of ``ObjectReference`` do not change.
package enum Placement<Object>: Sendable {
    /// On an event loop of this process.
    case loop(LoopBound<Object>)
}

/// Chooses the event loop on which an object is created or loaded.
package struct PlacementPolicy: Sendable {
    /// Every loop that hosts objects.
    package let loops: [EventLoop]

    /// - Parameter loops: at least one.
    package init(loops: [EventLoop]) { self.loops = loops }

    /// The loop for an object that a request creates or loads: the request's own, so that its client's commands and events cross no
    /// loop.
    package func loop(requestedOn loop: EventLoop) -> EventLoop { loop }

    /// The loop for an object whose work resumes after a restart, before any request for it: objects are spread evenly.
    /// - Parameter index: index of the object among those that resume.
    package func loop(forRecovered index: Int) -> EventLoop { loops[index % loops.count] }
}
