package import Network

/// A store that objects of a kind are loaded from.
package protocol ObjectSource<Object>: Sendable {
    associatedtype Object: Resident
    /// An object as read from the store.
    associatedtype Stored: Sendable

    /// Reads an object.
    /// - Parameter then: called once, on any thread; with nil if the object does not exist.
    func load(_ id: String, then: @escaping @Sendable (Result<Stored?, LoadFailure>) -> Void)

    /// Finds an object by an alias.
    /// - Parameters:
    ///   - owner: the required owner.
    ///   - then: called once, on any thread, with the object's identifier; with nil if this owner has no such object.
    func findID(ofAlias alias: String, owner: String, then: @escaping @Sendable (Result<String?, LoadFailure>) -> Void)

    /// Restores the object and hosts it on the calling loop.
    /// - Throws: ``LoadFailure`` if what was read cannot be restored.
    func restore(_ stored: Stored, on loop: EventLoop) throws(LoadFailure) -> ObjectReference<Object>?

    /// The objects whose work was interrupted by the end of the process.
    func unfinished() async throws(LoadFailure) -> [(id: String, owner: String)]
}

/// An object could not be loaded, now or ever.
package struct LoadFailure: Error, Sendable {
    /// For the operator's log.
    package let reason: String

    /// A failure with a reason for the operator's log.
    package init(reason: String) { self.reason = reason }
}
