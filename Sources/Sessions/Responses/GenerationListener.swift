/// Is told when responses begin and end: usage, webhooks, metering, counters, a document's writer register. The host has a list of
/// those that want to know of all its sessions (``SessionHost/generationListeners``), a session of those that want to know of it alone
/// (``Session/add(listener:)``).
///
/// Called on the session's loop, in the iteration in which it happens, with the event that tells it in the log. A listener gives the
/// session no command from within the call.
public protocol GenerationListener: AnyObject {
    /// A response has begun.
    func begun(_ generation: Generation)
    /// A response has ended, whatever it came to; also one that was cancelled while it waited, and never began.
    func ended(_ generation: Generation)
}

extension GenerationListener {
    public func begun(_ generation: Generation) {}
}
