package import JSON

/// An upstream's error, as far as it could be parsed from whatever form it was reported in.
package struct UpstreamErrorObject: Sendable, Hashable {
    /// The class of the error: `invalid_request_error`, `RESOURCE_EXHAUSTED`, `ThrottlingException`.
    package var type: String?
    /// The error itself: `context_length_exceeded`; a number in llama.cpp and vLLM, as text.
    package var code: String?
    /// The upstream's message.
    package var message: String?
    /// The request's member at fault.
    package var param: String?
    /// The HTTP status within the error: 400 ... 599.
    package var status: Int?
    /// Delay in seconds before the next request, if the body states it (Google's `RetryInfo`).
    package var retryAfterSeconds: Double?
    /// Whether it names the refused content (OpenRouter's `metadata.reasons`).
    package var isModeration = false

    /// An error with these members, and without a status.
    package init(type: String? = nil, code: String? = nil, message: String? = nil, param: String? = nil) {
        self.type = type
        self.code = code
        self.message = message
        self.param = param
    }

    /// - Parameter value: the value of `error`, in any form: an object, a string, a list of either.
    package init(_ value: JSONValue) {
        var reader = UpstreamErrorReader()
        reader.read(value)
        self = reader.error
    }

    /// Parses the value of `error` beside or instead of an answer; nil for a value that reports no error (`null`, `false`, `""`,
    /// `{}`).
    package init?(told value: JSONValue) {
        if value.saysNothing { return nil }
        self.init(value)
    }

    /// Parses an object that is not part of the answer, in a stream that continues; nil unless it is marked as an error.
    init?(saying value: JSONValue) {
        guard UpstreamErrorReader.saysError(value) else { return nil }
        self.init(value)
    }

    /// Parses an object that is not part of an answer and is not followed by one; nil if it is not an error, such as a keep-alive.
    /// - Parameter value: the last event of a stream, or a whole body.
    package init?(flat value: JSONValue) {
        guard UpstreamErrorReader.saysError(value) || UpstreamErrorReader.hasWords(value) else { return nil }
        self.init(value)
    }
}
