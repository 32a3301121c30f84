/// The header fields of one half of an opening handshake, in wire order.
///
/// Strings are affordable: there is one handshake per connection.
struct HandshakeFields: Sendable {
    private let fields: [(name: String, value: String)]

    init(_ fields: [(name: String, value: String)]) {
        self.fields = fields.map { (name: $0.name.lowercased(), value: Self.trimmed($0.value)) }
    }

    /// Every value of the field, in order.
    /// - Parameter name: in lower case.
    func values(of name: String) -> [String] {
        fields.lazy.filter { $0.name == name }.map(\.value)
    }

    /// The elements of a comma-separated list that may be spread over several fields (RFC 9110 §5.6.1). Empty elements are omitted.
    func list(_ name: String) -> [String] {
        values(of: name).flatMap { $0.split(separator: ",").map { Self.trimmed(String($0)) } }.filter { !$0.isEmpty }
    }

    /// Whether a list contains the token, ignoring case.
    func list(_ name: String, has token: String) -> Bool {
        list(name).contains { $0.lowercased() == token }
    }

    /// RFC 9110 §5.6.2.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func trimmed(_ text: String) -> String {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let bytes = text.utf8
        guard let first = bytes.firstIndex(where: { !isBlank($0) }) else { return "" }
        let last = bytes.lastIndex { !isBlank($0) } ?? first
        return String(text[first...last])
    }
}
