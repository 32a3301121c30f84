import Bytes
import HTTP
import JSON

/// Encodes Anthropic's `message` and the events of its stream.
extension RehearsalEncoder {
    func appendMessageStart(into output: inout ByteBuffer) {
        appendEvent("message_start", into: &output) { event in
            event.object("message") { message in
                writeMessage(to: &message)
                message.array("content") { _ in }
                message.null("stop_reason")
                message.null("stop_sequence")
                writeUsage(tokenCount: 0, to: &message)
            }
        }
        appendEvent("ping", into: &output) { _ in }
    }

    func appendBlockStart(into output: inout ByteBuffer) {
        appendEvent("content_block_start", into: &output) { event in
            event.field("index", 0)
            event.object("content_block") { block in
                guard let tool else {
                    block.field("type", "text")
                    block.field("text", "")
                    return
                }
                block.field("type", "tool_use")
                block.field("id", toolCallID)
                block.field("name", tool)
                block.object("input") { _ in }
            }
        }
    }

    func appendMessageEnd(_ reason: FinishReason, tokenCount: Int, into output: inout ByteBuffer) {
        appendEvent("content_block_stop", into: &output) { $0.field("index", 0) }
        appendEvent("message_delta", into: &output) { event in
            event.object("delta") { delta in
                delta.field("stop_reason", Self.stopReason(reason))
                delta.null("stop_sequence")
            }
            event.object("usage") { $0.field("output_tokens", tokenCount) }
        }
        appendEvent("message_stop", into: &output) { _ in }
    }

    func appendMessage(
        _ text: UnsafeRawBufferPointer, _ reason: FinishReason?, tokenCount: Int, into output: inout ByteBuffer
    ) {
        output.appendJSONObject { message in
            writeMessage(to: &message)
            message.array("content") { content in
                content.object { block in
                    guard let tool else {
                        block.field("type", "text")
                        block.field("text", utf8: text)
                        return
                    }
                    block.field("type", "tool_use")
                    block.field("id", toolCallID)
                    block.field("name", tool)
                    // The arguments are a complete JSON object only if the answer was not cut.
                    if reason == .tool { block.field("input", json: text) } else { block.object("input") { _ in } }
                }
            }
            message.field("stop_reason", reason.map(Self.stopReason))
            message.null("stop_sequence")
            writeUsage(tokenCount: tokenCount, to: &message)
        }
    }

    private func appendEvent(
        _ type: StaticString, into output: inout ByteBuffer, _ body: (inout JSONObjectWriter) -> Void
    ) {
        ServerSentEventWriter.begin(type: type, into: &output)
        output.appendJSONObject { event in
            event.field("type", constant: type)
            body(&event)
        }
        ServerSentEventWriter.end(into: &output)
    }

    private func writeMessage(to message: inout JSONObjectWriter) {
        message.field("id", id)
        message.field("type", "message")
        message.field("role", "assistant")
        message.field("model", model)
    }

    private func writeUsage(tokenCount: Int, to message: inout JSONObjectWriter) {
        message.object("usage") { usage in
            usage.field("input_tokens", promptTokenCount)
            usage.field("output_tokens", tokenCount)
        }
    }

    private static func stopReason(_ reason: FinishReason) -> String {
        switch reason {
        case .stop: "end_turn"
        case .length: "max_tokens"
        case .tool: "tool_use"
        }
    }
}
