/// Why a message was refused. Nothing more can be read from the connection, because the start of the next message is unknown: send
/// ``answer`` (server role), then close.
public enum MessageError: Error, Hashable, Sendable {
    // Lines
    /// LF without a preceding CR (RFC 9112 §2.2 allows refusing it, and intermediaries disagree about it).
    case bareLineFeed
    /// CR without a following LF.
    case bareCarriageReturn
    /// More than one empty line before a message.
    case repeatedEmptyLine

    // Start lines
    /// Not `method SP target SP version`.
    case malformedRequestLine
    /// Not `version SP three digits SP reason`.
    case malformedStatusLine
    /// The method is not a token.
    case invalidMethod
    /// CONNECT: this server is not a tunnel.
    case methodNotImplemented
    /// Not `HTTP/digit.digit`.
    case malformedVersion
    /// Neither HTTP/1.0 nor HTTP/1.1.
    case versionNotSupported
    /// A form or octet not allowed by RFC 9112 §3.2 for the method.
    case invalidTarget
    case requestLineTooLong(limitBytes: Int)

    // Fields
    /// A field name that is empty or not a token, blanks before the colon, or no colon.
    case invalidFieldName
    /// A control character in a field value.
    case invalidFieldValue
    /// A line that begins with a blank (obs-fold, RFC 9112 §5.2).
    case foldedField
    case fieldsTooLarge(limitBytes: Int)
    case tooManyFields(limit: Int)
    /// HTTP/1.1 without Host.
    case missingHost
    case repeatedHost
    /// Host is not a host name or address with an optional port, or differs from the authority of the target.
    case invalidHost
    /// An expectation other than `100-continue`.
    case expectationFailed

    // Framing
    /// Both lengths at once: the classic request smuggling (RFC 9112 §6.1).
    case contentLengthWithTransferEncoding
    case repeatedContentLength
    /// Not only digits, or too large.
    case invalidContentLength
    /// Repeated, or `chunked` more than once or not last.
    case invalidTransferEncoding
    /// A coding other than `chunked`.
    case unsupportedTransferEncoding
    /// Chunked framing does not exist in HTTP/1.0.
    case transferEncodingInOldVersion
    case bodyTooLarge(limitBytes: Int)

    // Chunks
    /// Not hexadecimal digits followed by CR or `;`, or too many digits.
    case invalidChunkSize
    /// Not `;name`, `;name=token` or `;name="text"`.
    case invalidChunkExtension
    case chunkExtensionsTooLarge(limitBytes: Int)
    /// The data of a chunk is not followed by CRLF.
    case unterminatedChunk

    // Content codings
    /// Neither gzip nor deflate, or more than one.
    case unsupportedContentCoding
    /// The body does not match Content-Encoding, is truncated, or consists mostly of empty blocks.
    case malformedContentCoding
    /// Not the peer's fault.
    case noMemoryToDecode

    // Ends
    /// The connection ended within a message (client role).
    case truncated

    /// The status of the answer.
    public var answer: HTTPStatus {
        switch self {
        case .requestLineTooLong: .uriTooLong
        case .fieldsTooLarge, .tooManyFields: .headerFieldsTooLarge
        case .bodyTooLarge, .chunkExtensionsTooLarge: .contentTooLarge
        case .methodNotImplemented, .unsupportedTransferEncoding: .notImplemented
        case .versionNotSupported: .versionNotSupported
        case .expectationFailed: .expectationFailed
        case .unsupportedContentCoding: .unsupportedMediaType
        case .noMemoryToDecode: .serviceUnavailable
        default: .badRequest
        }
    }
}

extension MessageError {
    /// Whether the head is well-formed so far and merely too large, so the rest of it can be skipped.
    public var isSizeOfHead: Bool {
        switch self {
        case .requestLineTooLong, .fieldsTooLarge, .tooManyFields: true
        default: false
        }
    }

    /// Fields of the answer (RFC 9110 §15.5.16).
    public var answerFields: [(name: String, value: String)] {
        self == .unsupportedContentCoding ? [("Accept-Encoding", ContentCoding.acceptable)] : []
    }

    /// One sentence for the peer's developer: what is wrong, and what to send instead.
    public var advice: String {
        switch self {
        case .bareLineFeed: "A line ends in LF alone; end every line with CRLF."
        case .bareCarriageReturn: "A CR is not followed by LF; end every line with CRLF."
        case .repeatedEmptyLine: "More than one empty line precedes the request line."
        case .malformedRequestLine: "The request line is not 'method SP target SP version'."
        case .malformedStatusLine: "The status line is not 'version SP status SP reason'."
        case .invalidMethod: "The method is not a token; if this is TLS, use the TLS port."
        case .methodNotImplemented: "CONNECT is not offered; this server is not a proxy."
        case .malformedVersion: "The version is not 'HTTP/digit.digit'."
        case .versionNotSupported: "Only HTTP/1.1 and HTTP/1.0 are spoken here."
        case .invalidTarget: "The request target has a form or a character that is not allowed; percent-encode it."
        case .requestLineTooLong(let limit): "The request line is longer than \(limit) bytes."
        case .invalidFieldName: "A header name is not a token directly followed by a colon."
        case .invalidFieldValue: "A header value holds a control character."
        case .foldedField: "A header line begins with a blank; send each field on one line."
        case .fieldsTooLarge(let limit): "The header or trailer fields are larger than \(limit) bytes."
        case .tooManyFields(let limit): "There are more than \(limit) header fields."
        case .missingHost: "HTTP/1.1 needs a Host header."
        case .repeatedHost: "There is more than one Host header."
        case .invalidHost: "The Host header is not 'host[:port]' or differs from the request target."
        case .expectationFailed: "Only 'Expect: 100-continue' can be met."
        case .contentLengthWithTransferEncoding: "Send Content-Length or Transfer-Encoding, not both."
        case .repeatedContentLength: "There is more than one Content-Length header."
        case .invalidContentLength: "Content-Length is not a plain decimal number."
        case .invalidTransferEncoding: "Transfer-Encoding must be one header with the one value 'chunked'."
        case .unsupportedTransferEncoding: "The only transfer coding known here is 'chunked'."
        case .transferEncodingInOldVersion: "Transfer-Encoding is not part of HTTP/1.0."
        case .bodyTooLarge(let limit): "The body is larger than \(limit) bytes."
        case .invalidChunkSize: "A chunk size is not a plain hexadecimal number."
        case .invalidChunkExtension: "A chunk extension is not ';name' or ';name=value'."
        case .chunkExtensionsTooLarge(let limit): "The chunk extensions are larger than \(limit) bytes."
        case .unterminatedChunk: "The data of a chunk is not followed by CRLF."
        case .unsupportedContentCoding: "Content-Encoding must be gzip or deflate, once, or left out."
        case .malformedContentCoding: "The body is not what Content-Encoding says, or is not whole."
        case .noMemoryToDecode: "There is no memory to decode the body. Try again later."
        case .truncated: "The connection ended within the message."
        }
    }
}
