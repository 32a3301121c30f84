import Bytes
import HTTP
import JSON

/// Encodes `chat.completion` and its chunks.
extension RehearsalEncoder {
    /// Writes a chunk up to the value of `delta`.
    static func appendChunkHead(id: String, model: String, created: Int, into output: inout ByteBuffer) {
        ServerSentEventWriter.begin(into: &output)
        output.append("{\"id\":")
        output.appendJSONString(id)
        output.append(",\"object\":\"chat.completion.chunk\",\"created\":")
        output.append(decimal: created)
        output.append(",\"model\":")
        output.appendJSONString(model)
        output.append(",\"choices\":[{\"index\":0,\"delta\":")
    }

    func appendRoleChunk(into output: inout ByteBuffer) {
        Self.appendChunkHead(id: id, model: model, created: created, into: &output)
        output.appendJSONObject { delta in
            delta.field("role", "assistant")
            guard let tool else {
                delta.field("content", "")
                return
            }
            delta.null("content")
            delta.array("tool_calls") { calls in
                calls.object { call in
                    call.field("index", 0)
                    writeCall(tool, arguments: "", to: &call)
                }
            }
        }
        output.append(",\"finish_reason\":null}]")
        output.append(includesUsage ? ",\"usage\":null}" : "}")
        ServerSentEventWriter.end(into: &output)
    }

    /// Writes the chunk with the finish reason, the one with the usage, and `[DONE]`.
    func appendFinishChunks(_ reason: FinishReason, tokenCount: Int, into output: inout ByteBuffer) {
        Self.appendChunkHead(id: id, model: model, created: created, into: &output)
        output.append("{},\"finish_reason\":")
        output.appendJSONString(Self.name(of: reason))
        output.append(includesUsage ? "}],\"usage\":null}" : "}]}")
        ServerSentEventWriter.end(into: &output)
        if includesUsage {
            ServerSentEventWriter.begin(into: &output)
            output.appendJSONObject { chunk in
                chunk.field("id", id)
                chunk.field("object", "chat.completion.chunk")
                chunk.field("created", created)
                chunk.field("model", model)
                chunk.array("choices") { _ in }
                writeUsage(tokenCount, to: &chunk)
            }
            ServerSentEventWriter.end(into: &output)
        }
        ServerSentEventWriter.appendDone(into: &output)
    }

    func appendCompletion(
        _ text: UnsafeRawBufferPointer, _ reason: FinishReason?, tokenCount: Int, into output: inout ByteBuffer
    ) {
        output.appendJSONObject { body in
            body.field("id", id)
            body.field("object", "chat.completion")
            body.field("created", created)
            body.field("model", model)
            body.array("choices") { choices in
                choices.object { choice in
                    choice.field("index", 0)
                    choice.object("message") { message in
                        message.field("role", "assistant")
                        guard let tool else {
                            message.field("content", utf8: text)
                            return
                        }
                        message.null("content")
                        message.array("tool_calls") { calls in
                            calls.object { writeCall(tool, arguments: String(decoding: text, as: UTF8.self), to: &$0) }
                        }
                    }
                    choice.field("finish_reason", reason.map(Self.name))
                }
            }
            writeUsage(tokenCount, to: &body)
        }
    }

    private func writeCall(_ tool: String, arguments: String, to call: inout JSONObjectWriter) {
        call.field("id", toolCallID)
        call.field("type", "function")
        call.object("function") { function in
            function.field("name", tool)
            function.field("arguments", arguments)
        }
    }

    private func writeUsage(_ tokenCount: Int, to writer: inout JSONObjectWriter) {
        writer.object("usage") { usage in
            usage.field("prompt_tokens", promptTokenCount)
            usage.field("completion_tokens", tokenCount)
            usage.field("total_tokens", promptTokenCount + tokenCount)
        }
    }

    private static func name(of reason: FinishReason) -> String {
        switch reason {
        case .stop: "stop"
        case .length: "length"
        case .tool: "tool_calls"
        }
    }
}
