package import Network

/// Where the objects of a kind are while they are not in memory.
package protocol ObjectSource<Object>: Sendable {
    associatedtype Object: Resident
    /// An object as it was read.
    associatedtype Stored: Sendable

    /// Reads an object.
    /// - Parameter then: called once, on any thread; with nil when there is none.
    func load(_ id: String, then: @escaping @Sendable (Result<Stored?, LoadFailure>) -> Void)

    /// Finds the object that an alias leads to.
    /// - Parameters:
    ///   - owner: whose it must be.
    ///   - then: called once, on any thread, with the object's identifier; with nil when there is none of this owner.
    func findID(ofAlias alias: String, owner: String, then: @escaping @Sendable (Result<String?, LoadFailure>) -> Void)

    /// Makes the object again, and has it hosted by the loop that this is called on.
    /// - Throws: when it cannot be made of what was read.
    func restore(_ stored: Stored, on loop: EventLoop) throws(LoadFailure) -> ObjectReference<Object>?

    /// The objects in which work was under way when the process ended.
    func unfinished() async throws(LoadFailure) -> [(id: String, owner: String)]
}

/// An object cannot be loaded, now or ever.
package struct LoadFailure: Error, Sendable {
    /// For the operator's log.
    package let reason: String

    package init(reason: String) { self.reason = reason }
}
