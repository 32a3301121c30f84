import HTTP
import JSON

extension UpstreamErrorObject {
    /// Characters retained of text that is not JSON: the beginning of a page is enough.
    static let maxPlainCharacters = 300

    /// - Parameter body: the body of a failed request, of any kind: JSON, an event stream, a page, plain text, or empty.
    package init(body: [UInt8]) {
        var bytes = body[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        // Invalid UTF-8 is decoded as Latin-1, which at least preserves ASCII.
        let text =
            String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.lazy.map { Unicode.Scalar($0) }))
        self.init(text: text)
    }

    /// - Parameter mayBeStream: whether an event stream is unwrapped. A stream within an event is text, so that nested `data: data:
    ///   data: …` does not recurse.
    init(text: String, mayBeStream: Bool = true) {
        let text = text.trimmingSpace
        if let value = try? JSONValue.parse(text, limits: .received) {
            self.init(value)
        } else if mayBeStream, let data = Self.eventData(text) {
            self.init(text: data, mayBeStream: false)
        } else {
            self.init()
            let words = text.first == "<" || text.contains("</") ? PageText.words(of: text) : text.onOneLine
            if !words.isEmpty { message = words.shortened(to: Self.maxPlainCharacters) }
        }
    }

    /// The data of the first event, if the text is an event stream.
    private static func eventData(_ text: String) -> String? {
        var data: [Substring] = []
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            if line.isEmpty {
                if data.isEmpty { continue } else { break }
            }
            guard let colon = line.firstIndex(of: ":") else { return nil }
            switch line[..<colon] {
            case "data", "error": data.append(line[line.index(after: colon)...])
            case "", "event", "id", "retry": continue
            default: return nil
            }
        }
        return data.isEmpty ? nil : data.joined(separator: "\n")
    }
}

/// Extracts the readable text of an HTML or XML page.
enum PageText {
    /// The title, and the text of the page apart from it.
    static func words(of page: String) -> String {
        var text = page[...]
        var title = ""
        var words = ""
        while let open = text.firstIndex(of: "<") {
            words += text[..<open] + " "
            text = text[text.index(after: open)...]
            let name = text.prefix { $0.isLetter || $0.isNumber || $0 == "!" || $0 == "-" }.lowercased()
            if name.hasPrefix("!--") {
                text = text.firstRange(of: "-->").map { text[$0.upperBound...] } ?? ""
                continue
            }
            text = text.firstIndex(of: ">").map { text[text.index(after: $0)...] } ?? ""
            switch name {
            case "script", "style", "svg", "noscript": skip(to: name, &text)
            case "title":
                let end = text.firstIndex(of: "<") ?? text.endIndex
                title = plain(text[..<end])
                text = text[end...]
            default: break
            }
        }
        words = plain(words + text)
        if title.isEmpty || words.lowercased().contains(title.lowercased()) { return words }
        return words.isEmpty ? title : "\(title): \(words)"
    }

    private static func skip(to name: String, _ text: inout Substring) {
        while let open = text.firstRange(of: "</") {
            text = text[open.upperBound...]
            guard text.prefix(name.count).lowercased() == name else { continue }
            text = text.firstIndex(of: ">").map { text[text.index(after: $0)...] } ?? ""
            return
        }
        text = ""
    }

    private static func plain(_ text: some StringProtocol) -> String {
        var text = String(text)
        for (entity, character) in [
            ("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&"),
        ] where text.contains("&") { text = text.replacing(entity, with: character) }
        return text.onOneLine
    }
}

extension String {
    var trimmingSpace: String {
        let isSpace = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace }
        let start = unicodeScalars.drop(while: isSpace)
        guard let last = start.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(start[...last])
    }

    /// The text without line breaks, tabs and control characters: each run of them becomes one space.
    var onOneLine: String {
        let words = unicodeScalars.split { $0.properties.isWhitespace || $0.properties.generalCategory == .control }
        return words.map { String($0) }.joined(separator: " ")
    }

    func shortened(to maxCharacters: Int) -> String {
        let beginning = prefix(maxCharacters)
        return beginning.endIndex == endIndex ? self : beginning + "…"
    }
}
