/// Finds the Origin field in the rest of a head that was refused before its end: without CORS fields, the page that sent the
/// request could not see why. All other fields are ignored.
public struct OriginScan: Sendable {
    /// Most bytes to scan.
    static let maxByteCount = 128 << 10
    /// A longer line cannot be a valid Origin.
    private static let maxLineByteCount = WebOrigin.maxTextByteCount + 16

    /// The value, once found; nil again if there is a second one.
    public private(set) var origin: String?
    /// Whether the end of the head, or the limit, was reached.
    public private(set) var isDone = false
    private var originCount = 0
    private var byteCount = 0
    private var line: [UInt8] = []
    /// Whether the bytes up to the next line feed belong to a line to skip.
    private var isSkipping: Bool

    /// - Parameter isWithinLine: whether the first byte belongs to the refused line.
    public init(isWithinLine: Bool) { isSkipping = isWithinLine }

    /// Scans the next bytes of the head.
    public mutating func scan(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes.slice(0, min(bytes.count, max(0, Self.maxByteCount - byteCount)))
        byteCount += rest.count
        while !isDone, let lineFeed = rest.offset(of: .lineFeed) {
            take(rest.slice(0, lineFeed))
            endLine()
            rest = rest.slice(lineFeed + 1, rest.count)
        }
        if isDone { return }
        take(rest)
        if byteCount >= Self.maxByteCount { isDone = true }
    }

    private mutating func take(_ part: UnsafeRawBufferPointer) {
        if isSkipping { return }
        if line.count + part.count > Self.maxLineByteCount {
            isSkipping = true
            line = []
        } else {
            line.append(contentsOf: part)
        }
    }

    private mutating func endLine() {
        defer {
            line.removeAll(keepingCapacity: true)
            isSkipping = false
        }
        if isSkipping { return }
        if line.last == .carriageReturn { line.removeLast() }
        if line.isEmpty {
            isDone = true
            return
        }
        var fields = HeaderFields()
        let isField = line.withUnsafeBytes { (line: UnsafeRawBufferPointer) -> Bool in
            (try? FieldLine.parse(line, into: &fields)) != nil
        }
        guard isField, let value = fields["origin"] else { return }
        originCount += 1
        origin = originCount == 1 ? value : nil
    }
}
