package import Sessions

/// Receives the output of a model from a decoder: a ``Sessions/GenerationSink``, or a recorder in tests.
///
/// Decoders are generic over it. They are not specialized for the sink, so that a call costs a look-up in a witness table.
package protocol ModelSink: AnyObject {
    /// Receives a piece of text.
    /// - Parameter escaped: valid contents of a JSON string, without the quotes and without lone surrogates; a view that is valid
    ///   within the call.
    func textDelta(escaped: UnsafeRawBufferPointer)
    func refusalDelta(escaped: UnsafeRawBufferPointer)
    func reasoningDelta(escaped: UnsafeRawBufferPointer)
    func toolCall(index: Int, callID: String, name: String)
    func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer)
    /// Begins a call of a tool that takes free text.
    func customToolCall(index: Int, callID: String, name: String)
    /// Receives data that must be returned to the provider.
    func provide(_ data: ProviderData, with part: GenerationSink.ProvidedPart)
    /// The reasoning so far is signed; further reasoning is a separate part.
    func endReasoning()
    func reportUsage(_ usage: Usage)
    /// Receives the upstream's own finish reason, if it is not one of the dialect's.
    func noteFinish(word: String)
    /// Receives the number of tool calls that were dropped because they never got a name.
    func noteUnnamedToolCalls(_ count: Int)
}

extension GenerationSink: ModelSink {}

/// Recorders may ignore what only sessions store.
extension ModelSink {
    package func customToolCall(index: Int, callID: String, name: String) { toolCall(index: index, callID: callID, name: name) }
    package func provide(_ data: ProviderData, with part: GenerationSink.ProvidedPart) {}
    package func endReasoning() {}
}

/// Takes bytes of a successful response, and makes calls on a ``ModelSink``. Free of sockets, clocks and threads.
package protocol ResponseDecoder: ~Copyable {
    init()
    /// Whether the sink received anything, so that the request must not be repeated.
    var hasDelivered: Bool { get }
    /// Whether a finish reason was received: the answer is complete then, whatever happens to the rest of the stream.
    var hasFinished: Bool { get }
    /// Decodes a piece of an event stream.
    /// - Returns: the finish reason once the stream is complete; further bytes are ignored.
    mutating func receive<Sink: ModelSink>(
        _ bytes: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason?
    /// Ends a body whose stream did not report its end.
    mutating func end<Sink: ModelSink>(into sink: Sink) throws(UpstreamFault) -> FinishReason
    /// Decodes a complete JSON body from a server that does not stream.
    mutating func receiveWhole<Sink: ModelSink>(
        _ body: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason
}

/// Limits on what an upstream may send.
package enum UpstreamLimits {
    /// Time after a successful head at which the request counts as accepted although nothing of the answer has arrived. Clients'
    /// status lines are deferred at most this long.
    package static let acceptanceDelay = Duration.seconds(2)
    /// Longest silence after the finish reason. Usage and the end of the stream follow it, but some servers leave the connection
    /// open. Long enough for servers that send a finish reason with every chunk.
    package static let restTimeout = Duration.seconds(10)
    /// Bytes of one event of a stream.
    package static let maxEventBytes = 4 << 20
    /// Bytes of a whole answer from a server that does not stream.
    package static let maxWholeBodyBytes = 16 << 20
    /// Bytes retained of an error's body.
    package static let maxErrorBodyBytes = 64 << 10
    /// Tool calls in one answer: one more than a session accepts, so that the session can detect the excess.
    package static let maxToolCalls = 257
    /// Bytes of a call's identifier: clients send it back, and requests are limited.
    package static let maxCallIDBytes = Item.maxCallNameBytes
    /// Characters of an upstream's message that are passed on to clients.
    package static let maxMessageCharacters = 1000
    /// Characters of an upstream's finish reason.
    package static let maxFinishWordCharacters = 64
    /// Bytes of arguments buffered until the tool's name arrives.
    package static let maxWaitingArgumentBytes = 1 << 20
    /// Characters of a code or a parameter's name in an upstream's error.
    package static let maxNameCharacters = 128
}
