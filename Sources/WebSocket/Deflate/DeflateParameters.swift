/// The parameters of one permessage-deflate element, offer or response: RFC 7692 §7.1.
struct DeflateParameters: Equatable {
    static let extensionName = "permessage-deflate"

    /// A `..._max_window_bits`.
    enum WindowBits: Equatable {
        /// Without a value: the server may choose one.
        case any
        case bits(Int)
    }

    var serverNoContextTakeover = false
    var clientNoContextTakeover = false
    var serverMaxWindowBits: Int?
    var clientMaxWindowBits: WindowBits?

    init() {}

    /// - Returns: nil if a parameter is unknown, repeated, or has an invalid value: the receiver must decline the offer or fail the
    ///   connection, §7.1 and §5.
    init?(_ offer: ExtensionOffer) {
        guard offer.name == Self.extensionName else { return nil }
        for parameter in offer.parameters {
            switch (parameter.name, parameter.value) {
            case ("server_no_context_takeover", nil) where !serverNoContextTakeover: serverNoContextTakeover = true
            case ("client_no_context_takeover", nil) where !clientNoContextTakeover: clientNoContextTakeover = true
            case ("server_max_window_bits", let value?) where serverMaxWindowBits == nil:
                guard let bits = Self.windowBits(value) else { return nil }
                serverMaxWindowBits = bits
            case ("client_max_window_bits", nil) where clientMaxWindowBits == nil: clientMaxWindowBits = .any
            case ("client_max_window_bits", let value?) where clientMaxWindowBits == nil:
                guard let bits = Self.windowBits(value) else { return nil }
                clientMaxWindowBits = .bits(bits)
            default: return nil
            }
        }
    }

    /// 8...15 in decimal without leading zeros, §7.1.2.
    private static func windowBits(_ text: String) -> Int? {
        guard text.utf8.count <= 2, !text.hasPrefix("0"), text.utf8.allSatisfy({ (48...57).contains($0) }), let bits = Int(text),
            (8...15).contains(bits)
        else { return nil }
        return bits
    }

    /// The form in `Sec-WebSocket-Extensions`.
    var text: String {
        var text = Self.extensionName
        if serverNoContextTakeover { text += "; server_no_context_takeover" }
        if clientNoContextTakeover { text += "; client_no_context_takeover" }
        if let serverMaxWindowBits { text += "; server_max_window_bits=\(serverMaxWindowBits)" }
        switch clientMaxWindowBits {
        case nil: break
        case .any: text += "; client_max_window_bits"
        case .bits(let bits): text += "; client_max_window_bits=\(bits)"
        }
        return text
    }
}
