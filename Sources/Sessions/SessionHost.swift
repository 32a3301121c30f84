/// What a session needs from the loop that it lives on. The core knows no clock and no thread.
public protocol SessionHost: AnyObject {
    /// Seconds since 1970.
    var unixTime: Int { get }
    /// Runs the action on the session's loop after the delay, unless the returned closure was called before.
    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void
    /// Does work that would hold the loop on another thread, and comes back to the session's loop.
    /// - Parameters:
    ///   - owner: whose share it counts for.
    ///   - then: gets nil when there was no room or no time for it.
    func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void)
    /// The model by its public name.
    var model: any Model { get }
    /// Deletes a session.
    func forget(_ session: Session)
    /// Tells that a response is found no more, since a session keeps only so many.
    func forgot(responseID: String)
    /// Tells that an interjection cut a running response, for metrics.
    func interrupted(_ generation: Generation)
    /// Those that want to know when responses of any session of this host begin and end, in the order in which they are told.
    var generationListeners: [any GenerationListener] { get }
    /// Tells what a policy did to a reader that lagged, for metrics: so many events were joined to others, replaced by a snapshot,
    /// or could not be had so that the reader was closed.
    func applied(_ policy: QueuePolicy, toEvents count: Int)
}

extension SessionHost {
    public func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void
    ) {
        then(work())
    }
    public func forget(_ session: Session) {}
    public func forgot(responseID: String) {}
    public var generationListeners: [any GenerationListener] { [] }
    public func applied(_ policy: QueuePolicy, toEvents count: Int) {}
}
