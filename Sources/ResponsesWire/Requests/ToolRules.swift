import JSON
package import Sessions

/// Tools of a Responses request: functions and custom tools are the client's; of the others, which OpenAI runs itself, no upstream
/// here has any. Those are left out and named in `interject.ignored_tools`, unless the operator wants such requests refused.
package struct ToolRules: Sendable {
    /// `--unknown-tools reject`.
    private let rejectsUnknown: Bool

    /// - Parameter rejectsUnknown: whether a request with a tool that no upstream has is refused.
    package init(rejectsUnknown: Bool) { self.rejectsUnknown = rejectsUnknown }

    /// Why no response is made with these parameters; nil if one is.
    /// - Parameter parameters: with what the session brings.
    package func refusal(of parameters: ResponseParameters) -> SessionError? {
        do throws(SessionError) {
            try check(parameters)
            return nil
        } catch {
            return error
        }
    }

    private func check(_ parameters: ResponseParameters) throws(SessionError) {
        let isChat = parameters.chatMembers != nil
        let members = parameters.chatMembers ?? parameters.members
        let tools = members["tools"]?.array ?? []
        var names: Set<String> = []
        for (index, tool) in tools.enumerated() {
            guard let type = tool["type"]?.string else {
                throw .invalid("'tools[\(index)].type' must be a string.", param: "tools[\(index)].type")
            }
            if ResponseParameters.clientTools.contains(type) {
                guard let name = (tool["name"] ?? tool[type]?["name"])?.string, !name.isEmpty else {
                    throw .invalid("'tools[\(index)].name' must be a string.", param: "tools[\(index)].name")
                }
                names.insert(name)
            } else if rejectsUnknown {
                throw .invalid(
                    "'tools[\(index)].type': no upstream of this server has the tool '\(type.prefix(80))'.",
                    param: "tools[\(index)].type", code: "unsupported_value")
            }
        }
        if isChat { try checkFunctionCall(members) }
        guard let choice = members["tool_choice"], !choice.isNull else { return }
        if isChat {
            // A chat client's tools are passed to the upstream verbatim, including types that only the upstream knows.
            for tool in tools { if let name = Self.name(of: tool) { names.insert(name) } }
        }
        try check(choice, names, hasTools: !tools.isEmpty, isChat: isChat)
    }

    /// The deprecated form of a tool choice, with `functions`.
    private func checkFunctionCall(_ members: JSONObject) throws(SessionError) {
        guard let name = members["function_call"]?["name"] else { return }
        let functions = members["functions"]?.array ?? []
        guard functions.contains(where: { $0["name"] == name }) else {
            throw .invalid(
                "'function_call' names '\((name.string ?? "").prefix(80))', which is not in 'functions'.", param: "function_call",
                code: "invalid_value")
        }
    }

    private static func name(of tool: JSONValue) -> String? {
        let type = tool["type"]?.string ?? "function"
        return (tool["name"] ?? tool[type]?["name"] ?? tool["function"]?["name"])?.string
    }

    private func check(_ choice: JSONValue, _ names: Set<String>, hasTools: Bool, isChat: Bool) throws(SessionError) {
        if let word = choice.string {
            // Some upstreams have values of their own, and check them.
            if isChat { return }
            guard ["none", "auto", "required"].contains(word) else {
                throw .invalid("'tool_choice' must be none, auto, required or an object.", param: "tool_choice")
            }
            if word == "required", hasTools, names.isEmpty {
                throw .invalid(
                    "'tool_choice' is 'required', and no upstream of this server has any of the tools.", param: "tool_choice",
                    code: "unsupported_value")
            }
            return
        }
        guard let type = choice["type"]?.string else {
            // The form of some Chat Completions clients, accepted by most upstreams.
            if isChat, choice["function"] != nil { return try checkTool(choice, names, param: "tool_choice") }
            throw .invalid("'tool_choice' must be a string or an object with a type.", param: "tool_choice")
        }
        guard type == "allowed_tools" else { return try checkTool(choice, names, param: "tool_choice") }
        let allowed = choice["allowed_tools"] ?? choice
        guard let list = allowed["tools"]?.array, !list.isEmpty else {
            throw .invalid("'tool_choice.tools' must be an array of tools.", param: "tool_choice.tools")
        }
        let mode = allowed["mode"]?.string ?? "auto"
        guard mode == "auto" || mode == "required" else {
            throw .invalid("'tool_choice.mode' must be auto or required.", param: "tool_choice.mode")
        }
        for (index, tool) in list.enumerated() { try checkTool(tool, names, param: "tool_choice.tools[\(index)]") }
    }

    private func checkTool(_ tool: JSONValue, _ names: Set<String>, param: String) throws(SessionError) {
        let type = tool["type"]?.string ?? (tool["function"] == nil ? "" : "function")
        guard ResponseParameters.clientTools.contains(type) else {
            throw .invalid(
                "'\(param)': no upstream of this server has the tool '\(type.prefix(80))'.", param: param, code: "unsupported_value"
            )
        }
        let name = Self.name(of: tool) ?? ""
        guard names.contains(name) else {
            throw .invalid("'\(param)' names '\(name.prefix(80))', which is not in 'tools'.", param: param, code: "invalid_value")
        }
    }
}

extension SessionError {
    fileprivate static func invalid(_ message: String, param: String, code: String? = nil) -> SessionError {
        .parameterRefused(message: message, param: param, code: code)
    }
}
