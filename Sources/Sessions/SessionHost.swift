/// The services that a session needs from its loop. The core has no clock and no threads.
public protocol SessionHost: AnyObject {
    /// Seconds since 1970.
    var unixTime: Int { get }
    /// Runs the action on the session's loop after the delay, unless the returned closure is called first.
    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void
    /// Runs work that would block the loop on another thread, and returns to the session's loop.
    /// - Parameters:
    ///   - owner: the owner whose share of worker time it is charged to.
    ///   - then: gets nil if there was no capacity or time for the work.
    func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void)
    /// The models, by public name.
    var model: any Model { get }
    /// Deletes a session.
    func forget(_ session: Session)
    /// A session of this loop.
    func session(_ id: String) -> Session?
    /// Creates a session that continues from a response of another one, on the same loop.
    /// - Parameters:
    ///   - items: its initial conversation.
    ///   - isStored: whether it outlives its listeners.
    ///   - isDurable: whether it is stored, if there is a store.
    func makeBranch(
        of session: Session, at generation: Generation, _ items: [Item], defaults: ResponseParameters, isStored: Bool,
        isDurable: Bool
    ) -> Session
    /// Whether the session's durability is as requested; always without a store.
    func isDurable(_ session: Session, asAsked isAsked: Bool) -> Bool
    /// Why no response can be created with these parameters; nil if one can.
    func refusal(of parameters: ResponseParameters) -> SessionError?
    /// A response is about to begin: makes it available by its identifier before its events are delivered.
    /// - Returns: the key that its usage is attributed to.
    func willTake(responseID: String, into session: Session) -> String?
    /// An input was accepted.
    func took(_ generation: Generation)
    /// A response is about to be deleted: makes it unavailable.
    func willDelete(responseID: String)
    /// A response was forgotten, since a session retains a limited number.
    func forgot(responseID: String)
    /// An interjection has interrupted a running response; for metrics.
    func interrupted(_ generation: Generation)
    /// Listeners for the beginnings and ends of responses in all of this host's sessions, in the order of notification.
    var generationListeners: [any GenerationListener] { get }
    /// A policy was applied to a lagging reader; for metrics: `count` events were merged into others, replaced by a snapshot, or
    /// lost, so that the reader was closed.
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
