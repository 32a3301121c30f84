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
    /// A session of this loop, by its identifier.
    func session(_ id: String) -> Session?
    /// Makes a session that goes on from a response of another one, on the same loop.
    /// - Parameters:
    ///   - items: the conversation that it begins with.
    ///   - isStored: whether it outlives its listeners.
    ///   - isDurable: whether it is committed to the store, if there is one.
    func makeBranch(
        of session: Session, at generation: Generation, _ items: [Item], defaults: ResponseParameters, isStored: Bool,
        isDurable: Bool
    ) -> Session
    /// Whether the session is committed to the store exactly if that is asked for; where there is no store, none is.
    func isDurable(_ session: Session, asAsked isAsked: Bool) -> Bool
    /// Why no response can be made with these parameters; nil if one can.
    func refusal(of parameters: ResponseParameters) -> SessionError?
    /// A response is about to begin, and its identifier is to be found before its events are read.
    /// - Returns: the key that its usage is counted for.
    func willTake(responseID: String, into session: Session) -> String?
    /// Tells that an input was taken in.
    func took(_ generation: Generation)
    /// A response is about to be deleted, and is to be found no more.
    func willDelete(responseID: String)
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
    public func session(_ id: String) -> Session? { nil }
    public func makeBranch(
        of session: Session, at generation: Generation, _ items: [Item], defaults: ResponseParameters, isStored: Bool,
        isDurable: Bool
    ) -> Session {
        Session(owner: session.owner, host: self, defaults: defaults, forking: (generation, items), limits: session.limits)
    }
    public func isDurable(_ session: Session, asAsked isAsked: Bool) -> Bool { true }
    public func refusal(of parameters: ResponseParameters) -> SessionError? { nil }
    public func willTake(responseID: String, into session: Session) -> String? { nil }
    public func took(_ generation: Generation) {}
    public func willDelete(responseID: String) {}
    public func forgot(responseID: String) {}
    public var generationListeners: [any GenerationListener] { [] }
    public func applied(_ policy: QueuePolicy, toEvents count: Int) {}
}
