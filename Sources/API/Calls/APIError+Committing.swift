import HTTP

extension APIError {
    /// The change was not committed within the deadline and has been withdrawn.
    package static var notCommitted: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now. What you sent was not kept and is withdrawn: send it again later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The change was not committed within the deadline and is still waiting for the disk.
    static var notCommittedInTime: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot read or write its data now. A change may still be made: look before you send it again.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The same error for a request that changes nothing.
    var ofRead: APIError {
        guard code == Self.notCommitted.code, message == Self.notCommitted.message else { return self }
        var error = self
        error.message = "The server cannot write its data now, and tells nothing that it has not kept. Ask again later."
        return error
    }

    /// The disk accepts no writes, and a running response cannot be completed.
    package static var storageStalled: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now, and sends nothing that it cannot keep. Fetch the response later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }
}
