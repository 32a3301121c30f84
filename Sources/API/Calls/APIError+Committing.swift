import HTTP

extension APIError {
    /// The disk did not take in time what the answer would have told of.
    package static var notCommitted: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now. What you sent was not kept and is withdrawn: send it again later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The disk did not take a change in time, which waits for it still, or gave no answer.
    static var notCommittedInTime: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot read or write its data now. A change may still be made: look before you send it again.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The same in the words for somebody who has sent nothing.
    var ofRead: APIError {
        guard code == Self.notCommitted.code, message == Self.notCommitted.message else { return self }
        var error = self
        error.message = "The server cannot write its data now, and tells nothing that it has not kept. Ask again later."
        return error
    }

    /// The disk takes nothing, and a response that runs cannot be brought to its end.
    package static var storageStalled: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now, and sends nothing that it cannot keep. Fetch the response later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }
}
