/// Where the next octet of a chunk extension stands (RFC 9112 §7.1.1):
/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
///
/// Nobody uses them, yet the grammar is held to: an extension that two readers end at different places is how chunked
/// bodies are smuggled.
enum ChunkExtension {
    case beforeName
    case name
    case afterName
    case beforeValue
    case value
    case quoted
    case escaped
    case afterQuoted
    case afterValue

    /// Whether the line may end in front of the next octet.
    var mayEnd: Bool {
        switch self {
        case .name, .value, .afterQuoted: true
        default: false
        }
    }

    /// Takes an octet other than CR; nil if it may not stand here.
    func after(_ octet: UInt8) -> ChunkExtension? {
        let isToken = OctetSet.token.contains(octet)
        switch (self, octet) {
        case (.quoted, UInt8(ascii: "\"")): return .afterQuoted
        case (.quoted, UInt8(ascii: "\\")): return .escaped
        case (.quoted, _), (.escaped, _): return octet.isFieldContent ? .quoted : nil
        case (.beforeName, _) where octet.isBlank, (.beforeValue, _) where octet.isBlank: return self
        case (.name, _) where octet.isBlank, (.afterName, _) where octet.isBlank: return .afterName
        case (_, _) where octet.isBlank: return .afterValue
        case (.beforeName, _),
            (.name, _) where isToken:
            return isToken ? .name : nil
        case (.beforeValue, UInt8(ascii: "\"")): return .quoted
        case (.beforeValue, _),
            (.value, _) where isToken:
            return isToken ? .value : nil
        case (.name, UInt8(ascii: "=")), (.afterName, UInt8(ascii: "=")): return .beforeValue
        case (_, UInt8(ascii: ";")): return .beforeName
        default: return nil
        }
    }
}
