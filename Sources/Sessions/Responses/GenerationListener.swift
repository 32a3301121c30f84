/// Is notified when responses begin and end: usage, webhooks, metering, counters, a document's writer register. The host lists the
/// listeners for all of its sessions (``SessionHost/generationListeners``), a session those for itself alone
/// (``Session/add(listener:)``).
///
/// Called on the session's loop, in the same iteration, with the corresponding event in the log. Must not send commands to the
/// session from within the call.
public protocol GenerationListener: AnyObject {
    /// A response has begun.
    func begun(_ generation: Generation)
    /// A response has ended, in any way; also one that was cancelled while it waited, and never began.
    func ended(_ generation: Generation)
}

extension GenerationListener {
    public func begun(_ generation: Generation) {}
}
