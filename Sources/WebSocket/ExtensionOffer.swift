/// One element of `Sec-WebSocket-Extensions`, RFC 6455 §9.1.
struct ExtensionOffer: Equatable {
    var name: String
    /// In order; nil for a parameter without a value. Repeated parameters are left to the extension.
    var parameters: [Parameter] = []

    struct Parameter: Equatable {
        var name: String
        var value: String?
    }

    /// The offers of all fields, in order; nil if they violate the grammar.
    static func parse(_ values: [String]) -> [ExtensionOffer]? {
        var offers: [ExtensionOffer] = []
        for value in values {
            var scanner = Scanner(value)
            let countBefore = offers.count
            repeat {
                // RFC 9110 §5.6.1: empty list elements are ignored.
                if scanner.isAtEnd || scanner.isNext(",") { continue }
                guard let offer = scanner.offer() else { return nil }
                offers.append(offer)
            } while scanner.take(",")
            guard scanner.isAtEnd, offers.count > countBefore else { return nil }
        }
        return offers
    }

    private struct Scanner {
        private var rest: Substring.UTF8View

        init(_ text: String) {
            rest = Substring(text).utf8
            skipBlanks()
        }

        var isAtEnd: Bool { rest.isEmpty }

        func isNext(_ character: Unicode.Scalar) -> Bool { rest.first == UInt8(ascii: character) }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard isNext(character) else { return false }
            rest.removeFirst()
            skipBlanks()
            return true
        }

        mutating func offer() -> ExtensionOffer? {
            guard let name = token() else { return nil }
            var offer = ExtensionOffer(name: name)
            while take(";") {
                guard let name = token() else { return nil }
                var parameter = Parameter(name: name)
                if take("=") {
                    guard let value = isNext("\"") ? quotedToken() : token() else { return nil }
                    parameter.value = value
                }
                offer.parameters.append(parameter)
            }
            return offer
        }

        private mutating func token() -> String? {
            let stops = ",;= \t\"".utf8
            let token = String(Substring(rest.prefix { !stops.contains($0) }))
            guard HandshakeFields.isToken(token) else { return nil }
            rest.removeFirst(token.utf8.count)
            skipBlanks()
            return token
        }

        /// A quoted value must be a token after unquoting, §9.1.
        private mutating func quotedToken() -> String? {
            rest.removeFirst()
            var value: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""):
                    skipBlanks()
                    let value = String(decoding: value, as: UTF8.self)
                    return HandshakeFields.isToken(value) ? value : nil
                case UInt8(ascii: "\\"):
                    guard let escaped = rest.popFirst() else { return nil }
                    value.append(escaped)
                default: value.append(byte)
                }
            }
            return nil
        }

        private mutating func skipBlanks() {
            while let byte = rest.first, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { rest.removeFirst() }
        }
    }
}
