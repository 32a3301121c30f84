import Upstreams

/// The value of `--upstream`: a base URL, its dialect, and options.
struct UpstreamURL: Equatable, Sendable {
    var baseURL: String
    var dialect: UpstreamConfiguration.Dialect
    var members = UpstreamMembers()

    /// Parses a URL like ``read(_:)``, followed by `member=value` pairs separated by spaces.
    static func readWithMembers(_ text: String) throws(InvalidValue) -> UpstreamURL {
        let words = text.split(separator: " ")
        // If the first word is not a URL, the rest are not members, so report the whole text.
        guard let first = words.first.map(String.init), URLParts(first) != nil || first.contains("+") else { return try read(text) }
        var upstream = try read(first)
        var seen: Set<String> = []
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw InvalidValue("\"\(word)\" is not MEMBER=VALUE") }
            guard seen.insert(parts[0]).inserted else { throw InvalidValue("\(parts[0]) is given twice") }
            do throws(InvalidValue) {
                try upstream.members.set(parts[0], text: parts[1])
            } catch {
                throw InvalidValue("\(parts[0]): \(error.problem)")
            }
        }
        return upstream
    }

    /// Parses `http(s)://host[:port][/path][?query]`, with an optional prefix `anthropic+` or `openai+`.
    static func read(_ text: String) throws(InvalidValue) -> UpstreamURL {
        var url = text
        var dialect: UpstreamConfiguration.Dialect?
        for candidate in UpstreamConfiguration.Dialect.allCases where text.hasPrefix(candidate.rawValue + "+") {
            dialect = candidate
            url = String(text.dropFirst(candidate.rawValue.utf8.count + 1))
        }
        guard let parts = URLParts(url), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw InvalidValue(
                "\"\(text)\" is not an upstream's URL: give its base, such as http://127.0.0.1:11434/v1 or https://api.openai.com/v1"
            )
        }
        guard !url.contains("#") else { throw InvalidValue("\"\(text)\" has a fragment (#), which is never sent to a server") }
        let query = url.firstIndex(of: "?").map { String(url[$0...]) } ?? ""
        url.removeLast(query.count)
        while url.hasSuffix("/") { url.removeLast() }
        let spoken = dialect ?? (parts.host.lowercased() == "api.anthropic.com" ? .anthropicMessages : .chatCompletions)
        switch spoken {
        case .chatCompletions where parts.path.prefix { $0 != "?" }.allSatisfy { $0 == "/" }: url += "/v1"
        case .anthropicMessages where url.hasSuffix("/v1"): url.removeLast(3)
        case .chatCompletions, .anthropicMessages: break
        }
        return UpstreamURL(baseURL: url + query, dialect: spoken)
    }
}

/// The parts of an absolute http or https URL.
struct URLParts: Equatable, Sendable {
    var isSecure: Bool
    /// Without the brackets of an IPv6 address.
    var host: String
    var port: UInt16
    /// From the first slash, or empty; without the fragment.
    var path: String

    init?(_ text: String) {
        var rest: Substring
        if text.lowercased().hasPrefix("http://") {
            isSecure = false
            rest = text.dropFirst(7)
        } else if text.lowercased().hasPrefix("https://") {
            isSecure = true
            rest = text.dropFirst(8)
        } else {
            return nil
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        rest.removeFirst(authority.count)
        path = String(rest.prefix { $0 != "#" })
        var portText: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            let after = authority[authority.index(after: end)...]
            if after.hasPrefix(":") { portText = after.dropFirst() } else if !after.isEmpty { return nil }
        } else {
            let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { return nil }
            host = String(parts[0])
            if parts.count == 2 { portText = parts[1] }
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "@") }) else { return nil }
        if let portText {
            guard let number = UInt16(portText), number > 0 else { return nil }
            port = number
        } else {
            port = isSecure ? 443 : 80
        }
    }

    /// Value of the Host field.
    var authority: String { (host.contains(":") ? "[\(host)]" : host) + (port == (isSecure ? 443 : 80) ? "" : ":\(port)") }
}
