/// Host names as used in DNS (RFC 5890): ASCII, internationalised labels in `xn--` form.
enum DomainName {
    private static let maxLabelBytes = 63
    private static let maxBytes = 253

    /// The name in lower-case ASCII; nil if it is invalid, or has combining marks, because there is no Unicode normalisation here:
    /// write such a name in `xn--` form.
    static func ascii(_ name: String) -> String? {
        if name.utf8.allSatisfy({ $0 < 0x80 }) {
            let lower = name.lowercased()
            return lower.utf8.allSatisfy { OctetSet.hostName.contains($0) } && lower.utf8.count <= maxBytes + 1 ? lower : nil
        }
        let scalars = name.lowercased().unicodeScalars
        guard
            scalars.allSatisfy({
                $0.properties.canonicalCombiningClass == .notReordered && $0.properties.isXIDContinue || isPlain($0)
            })
        else { return nil }
        // All four are dots (UTS #46 §4).
        let labels = scalars.split(omittingEmptySubsequences: false) { ".\u{3002}\u{FF0E}\u{FF61}".unicodeScalars.contains($0) }
        var encoded: [String] = []
        for label in labels {
            let text =
                label.allSatisfy(\.isASCII)
                ? String(String.UnicodeScalarView(label)) : Punycode.encode(Array(label)).map { "xn--" + $0 }
            guard let text, text.utf8.count <= maxLabelBytes else { return nil }
            encoded.append(text)
        }
        let joined = encoded.joined(separator: ".")
        return joined.utf8.count <= maxBytes + 1 ? joined : nil
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        "-.~\u{3002}\u{FF0E}\u{FF61}".unicodeScalars.contains(scalar)
    }
}

/// RFC 3492, with the parameters of its §5.
enum Punycode {
    private static let base: UInt32 = 36
    private static let minThreshold: UInt32 = 1
    private static let maxThreshold: UInt32 = 26
    private static let skew: UInt32 = 38
    private static let damp: UInt32 = 700

    /// - Returns: nil on overflow, which a label of 63 bytes cannot cause.
    static func encode(_ label: [Unicode.Scalar]) -> String? {
        var output = label.filter(\.isASCII).map { UInt8($0.value) }
        let basicCount = UInt32(output.count)
        if basicCount > 0 { output.append(UInt8(ascii: "-")) }
        var code: UInt32 = 128
        var delta: UInt32 = 0
        var bias: UInt32 = 72
        var handled = basicCount
        while handled < UInt32(label.count) {
            guard let next = label.map(\.value).filter({ $0 >= code }).min() else { return nil }
            let (step, overflowed) = (next - code).multipliedReportingOverflow(by: handled + 1)
            let (sum, carried) = delta.addingReportingOverflow(step)
            if overflowed || carried { return nil }
            delta = sum
            code = next
            for scalar in label {
                if scalar.value < code { delta += 1 }
                guard scalar.value == code else { continue }
                append(delta, bias, to: &output)
                bias = adapt(delta, count: handled + 1, isFirst: handled == basicCount)
                delta = 0
                handled += 1
            }
            delta += 1
            code += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func append(_ delta: UInt32, _ bias: UInt32, to output: inout [UInt8]) {
        var rest = delta
        var position = base
        while true {
            let threshold = position <= bias ? minThreshold : min(maxThreshold, position - bias)
            if rest < threshold { break }
            output.append(digit(threshold + (rest - threshold) % (base - threshold)))
            rest = (rest - threshold) / (base - threshold)
            position += base
        }
        output.append(digit(rest))
    }

    private static func digit(_ value: UInt32) -> UInt8 {
        value < 26 ? UInt8(ascii: "a") + UInt8(value) : UInt8(ascii: "0") + UInt8(value - 26)
    }

    private static func adapt(_ delta: UInt32, count: UInt32, isFirst: Bool) -> UInt32 {
        var rest = delta / (isFirst ? damp : 2)
        rest += rest / count
        var steps: UInt32 = 0
        while rest > (base - minThreshold) * maxThreshold / 2 {
            rest /= base - minThreshold
            steps += base
        }
        return steps + (base - minThreshold + 1) * rest / (rest + skew)
    }
}
