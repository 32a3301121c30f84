/// A client's preference for a media type (RFC 9110 §12.5.1).
public struct MediaPreference: Comparable, Sendable {
    /// The weight in thousandths; 0 means "not acceptable".
    public let quality: Int
    /// Specificity of the matching range: 0 none, 1 `*/*`, 2 `type/*`, 3 the type itself.
    public let closeness: Int

    public var isAcceptable: Bool { quality > 0 }

    public static func < (left: MediaPreference, right: MediaPreference) -> Bool {
        (left.quality, left.closeness) < (right.quality, right.closeness)
    }
}

extension HeaderFields {
    /// The preference for a media type given by all Accept fields: the most specific range counts, in any order. Without Accept,
    /// all types are equal. Parameters other than `q` are ignored, because each answer has one representation per type.
    /// - Parameter mediaType: such as `application/json`, in lower case.
    public func preference(for mediaType: String) -> MediaPreference {
        var best = MediaPreference(quality: 0, closeness: 0)
        var isAsked = false
        forEachValue(of: "accept") { value in
            var rest = value
            while rest.count > 0 {
                let end = rest.endOfListMember
                let member = rest.slice(0, end).trimmingBlanks
                rest = rest.slice(Swift.min(end + 1, rest.count), rest.count)
                guard member.count > 0 else { continue }
                isAsked = true
                let closeness = Self.closeness(of: member, to: mediaType)
                // Of two ranges with the same specificity, the larger weight counts.
                let range = MediaPreference(quality: Self.quality(of: member), closeness: closeness)
                if closeness > best.closeness || closeness == best.closeness && closeness > 0 && range > best { best = range }
            }
            return true
        }
        return isAsked ? best : MediaPreference(quality: 1000, closeness: 0)
    }

    /// Whether the client prefers one available media type to another.
    public func prefers(_ mediaType: String, over other: String) -> Bool {
        let preference = preference(for: mediaType)
        return preference.isAcceptable && preference > self.preference(for: other)
    }

    private static func closeness(of member: UnsafeRawBufferPointer, to mediaType: String) -> Int {
        let range = member.slice(0, member.offset(of: UInt8(ascii: ";")) ?? member.count).trimmingBlanks.text.lowercased()
        if range == mediaType { return 3 }
        if range == "*/*" || range == "*" { return 1 }
        return range.hasSuffix("/*") && mediaType.hasPrefix(range.dropLast()) ? 2 : 0
    }

    /// `q=` with up to three decimals (RFC 9110 §12.4.2); an invalid weight counts as 1, as if absent.
    private static func quality(of member: UnsafeRawBufferPointer) -> Int {
        let parameters = member.text.split(separator: ";").dropFirst()
        for parameter in parameters {
            let parts = parameter.split(separator: "=", maxSplits: 1).map { $0.drop { $0 == " " || $0 == "\t" } }
            guard parts.count == 2, parts[0].lowercased().filter({ $0 != " " && $0 != "\t" }) == "q" else { continue }
            return thousandths(parts[1].filter { $0 != " " && $0 != "\t" }) ?? 1000
        }
        return 1000
    }

    /// `0`, `0.75`, `1.000`; nil for anything else.
    private static func thousandths(_ text: String) -> Int? {
        let digits = Array(text.utf8)
        guard let whole = digits.first, whole == UInt8(ascii: "0") || whole == UInt8(ascii: "1") else { return nil }
        let decimals = digits.dropFirst(2)
        guard digits.count == 1 || digits[1] == UInt8(ascii: "."), decimals.count <= 3, decimals.allSatisfy(\.isDigit) else {
            return nil
        }
        var value = Int(whole - 48)
        for position in 0..<3 { value = value * 10 + (position < decimals.count ? Int(decimals[2 + position] - 48) : 0) }
        return Swift.min(value, 1000)
    }
}
