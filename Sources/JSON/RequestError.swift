/// A request that cannot be accepted as it stands, in the terms of OpenAI's error object: a status of 400 in every face.
package struct RequestError: Error, Sendable, Equatable {
    /// A sentence for the developer of the client.
    package var message: String
    /// The member at fault, such as `input[0].role`.
    package var param: String?
    /// A word for programs.
    package var code: String?

    package static func invalid(_ message: String, param: String? = nil, code: String? = nil) -> RequestError {
        RequestError(message: message, param: param, code: code)
    }
}
