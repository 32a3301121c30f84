package import Sessions

/// Where a decoder puts what a model says: a ``Sessions/GenerationSink``, or a recorder in tests.
///
/// Decoders are generic over it, so that the calls on the token path are direct.
package protocol ModelSink: AnyObject {
    /// `escaped`: valid contents of a JSON string, without the quotes and without lone surrogates; a view that is valid within the
    /// call.
    func textDelta(escaped: UnsafeRawBufferPointer)
    func refusalDelta(escaped: UnsafeRawBufferPointer)
    func reasoningDelta(escaped: UnsafeRawBufferPointer)
    func toolCall(index: Int, callID: String, name: String)
    func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer)
    /// A call of a tool that takes free text.
    func customToolCall(index: Int, callID: String, name: String)
    /// What the provider must get back.
    func provide(_ data: ProviderData, with part: GenerationSink.ProvidedPart)
    /// The reasoning so far is signed; more is another piece.
    func endReasoning()
    func reportUsage(_ usage: Usage)
    /// The upstream's own word for the end, where it is none of the dialect's.
    func noteFinish(word: String)
    /// Number of tool calls that never got a name, and are left out.
    func noteUnnamedToolCalls(_ count: Int)
}

extension GenerationSink: ModelSink {}

/// Recorders need not look at what only sessions keep.
extension ModelSink {
    package func customToolCall(index: Int, callID: String, name: String) { toolCall(index: index, callID: callID, name: name) }
    package func provide(_ data: ProviderData, with part: GenerationSink.ProvidedPart) {}
    package func endReasoning() {}
}

/// Bytes of a successful response in, calls on a ``ModelSink`` out. Knows no socket, clock or thread.
package protocol ResponseDecoder: ~Copyable {
    init()
    /// Whether the sink has got anything: from then on the request must not be repeated.
    var hasDelivered: Bool { get }
    /// Whether the answer has said that it ends: it is whole then, whatever becomes of the rest of the stream.
    var hasFinished: Bool { get }
    /// Takes a piece of an event stream.
    /// - Returns: the reason when the stream is complete; what follows is then of no interest.
    mutating func receive<Sink: ModelSink>(
        _ bytes: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason?
    /// The body has ended before the stream said so.
    mutating func end<Sink: ModelSink>(into sink: Sink) throws(UpstreamFault) -> FinishReason
    /// Takes a whole body of JSON, from a server that does not stream.
    mutating func receiveWhole<Sink: ModelSink>(
        _ body: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason
}

/// Bounds of what an upstream may send.
package enum UpstreamLimits {
    /// After the head of a success, if nothing of the answer has come. As long as clients' status is held at most.
    package static let acceptanceDelay = Duration.seconds(2)
    /// Without a word behind the finish reason: usage comes there, and then the end, but some servers leave the connection open. Long
    /// enough for those that give a reason with each chunk.
    package static let restTimeout = Duration.seconds(10)
    /// One event of a stream.
    package static let maxEventBytes = 4 << 20
    /// A whole answer of a server that does not stream.
    package static let maxWholeBodyBytes = 16 << 20
    /// Kept of an error's body.
    package static let maxErrorBodyBytes = 64 << 10
    /// Calls of tools in one answer: one more than a session takes, so that it sees that there are too many.
    package static let maxToolCalls = 257
    /// Of the identifier of a call: clients send it back, and requests have a bound.
    package static let maxCallIDBytes = Item.maxCallNameBytes
    /// Of an upstream's message that is passed on to clients.
    package static let maxMessageCharacters = 1000
    /// Of an upstream's word for the end of an answer.
    package static let maxFinishWordCharacters = 64
    /// Arguments that wait for the name of their tool.
    package static let maxWaitingArgumentBytes = 1 << 20
    /// Of a code or the name of a parameter in its errors.
    package static let maxNameCharacters = 128
}
