/// Parser state within a chunk extension (RFC 9112 §7.1.1): `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
///
/// Extensions are unused in practice, but the grammar is enforced: an extension that two parsers end at different offsets enables
/// request smuggling.
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

    /// Whether the line may end before the next octet.
    var mayEnd: Bool {
        switch self {
        case .name, .value, .afterQuoted: true
        default: false
        }
    }

    /// The state after an octet other than CR; nil if it is not allowed here.
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
