package import JSON

/// An upstream's error as far as it could be read, in whatever form it was told.
package struct UpstreamErrorObject: Sendable, Hashable {
    /// The class of the error: `invalid_request_error`, `RESOURCE_EXHAUSTED`, `ThrottlingException`.
    package var type: String?
    /// The error itself: `context_length_exceeded`; a number in llama.cpp and vLLM, as text.
    package var code: String?
    /// The upstream's words.
    package var message: String?
    /// The member of the request that it is about.
    package var param: String?
    /// The HTTP status that stands in it: 400 ... 599.
    package var status: Int?
    /// When the upstream wants to be asked again, in seconds, if that stands in the body (Google's `RetryInfo`).
    package var retryAfterSeconds: Double?
    /// Whether it says which content was refused (OpenRouter's `metadata.reasons`).
    package var isModeration = false

    package init(type: String? = nil, code: String? = nil, message: String? = nil, param: String? = nil) {
        self.type = type
        self.code = code
        self.message = message
        self.param = param
    }

    /// - Parameter value: what stands under `error`, in whatever form: an object, words, a list of either.
    package init(_ value: JSONValue) {
        var reader = UpstreamErrorReader()
        reader.read(value)
        self = reader.error
    }

    /// What stands under `error` beside an answer, or instead of one; nil when it stands for no error (`null`, `false`, `""`, `{}`).
    package init?(told value: JSONValue) {
        if value.saysNothing { return nil }
        self.init(value)
    }

    /// Reads an object that is no answer, in a stream that goes on; nil unless it says that it is an error.
    init?(saying value: JSONValue) {
        guard UpstreamErrorReader.saysError(value) else { return nil }
        self.init(value)
    }

    /// Reads an object that is no answer, behind which none comes; nil when it is no error either, such as a keep-alive.
    /// - Parameter value: the last event of a stream, or a whole body.
    package init?(flat value: JSONValue) {
        guard UpstreamErrorReader.saysError(value) || UpstreamErrorReader.hasWords(value) else { return nil }
        self.init(value)
    }
}
