import Bytes
import JSON
import ResponsesWire
import Sessions

/// A tool call in the form of Chat Completions: `tool_calls` of type `function` or `custom`, or the deprecated `function_call`.
final class ChatToolCall {
    let index: Int
    let callID: String
    let name: String
    /// The arguments, or the text of a custom tool.
    let input: String
    let isCustom: Bool
    let usesFunctions: Bool
    private let members: ProviderMembers

    /// Whether the data for the provider was sent at the call's beginning.
    var hasProviderMembers: Bool { !members.isEmpty }

    static func isCall(_ item: JSONValue) -> Bool {
        let type = item["type"]?.string
        return type == "function_call" || type == "custom_tool_call"
    }

    /// Nil if the item is not a call.
    init?(_ item: JSONValue, index: Int, usesFunctions: Bool) {
        guard Self.isCall(item) else { return nil }
        self.index = index
        self.usesFunctions = usesFunctions
        isCustom = item["type"]?.string == "custom_tool_call"
        callID = item["call_id"]?.string ?? ""
        name = item["name"]?.string ?? ""
        input = item[isCustom ? "input" : "arguments"]?.string ?? ""
        members = ProviderMembers(item)
    }

    // MARK: Complete calls

    /// Writes the members of an element of `tool_calls`.
    func write(to writer: inout JSONObjectWriter) { write(to: &writer, input: input) }

    private func write(to writer: inout JSONObjectWriter, input: String) {
        writer.field("id", callID)
        writer.field("type", isCustom ? "custom" : "function")
        writer.object(isCustom ? "custom" : "function") { writeFunction(to: &$0, input: input) }
        members.write(to: &writer)
    }

    /// Writes the members of `function`, `custom` or `function_call`.
    func writeFunction(to writer: inout JSONObjectWriter, input: String) {
        writer.field("name", name)
        writer.field(isCustom ? "input" : "arguments", input)
    }

    // MARK: Streamed calls

    /// Appends the member of the delta in which the call begins.
    func appendStart(to output: inout ByteBuffer) {
        if usesFunctions {
            output.append("\"function_call\":" as StaticString)
            output.appendJSONObject { writeFunction(to: &$0, input: "") }
            return
        }
        output.append("\"tool_calls\":[" as StaticString)
        output.appendJSONObject {
            $0.field("index", index)
            write(to: &$0, input: "")
        }
        output.append("]" as StaticString)
    }

    /// Appends a delta of the arguments.
    func appendInput(_ event: SessionEvent, to output: inout ByteBuffer) {
        if usesFunctions {
            output.append("\"function_call\":{\"arguments\":\"" as StaticString)
            event.appendText(to: &output)
            output.append("\"}" as StaticString)
            return
        }
        output.append("\"tool_calls\":[{\"index\":" as StaticString)
        output.append(decimal: index)
        output.append(isCustom ? ",\"custom\":{\"input\":\"" as StaticString : ",\"function\":{\"arguments\":\"" as StaticString)
        event.appendText(to: &output)
        output.append("\"}}]" as StaticString)
    }

    /// Appends the data for the provider.
    func append(_ members: ProviderMembers, to output: inout ByteBuffer) {
        if usesFunctions { return members.append(to: &output) }
        output.append("\"tool_calls\":[" as StaticString)
        output.appendJSONObject {
            $0.field("index", index)
            members.write(to: &$0)
        }
        output.append("]" as StaticString)
    }
}
