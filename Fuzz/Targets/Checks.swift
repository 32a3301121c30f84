import Glibc

/// Ends the run if what must hold does not; libFuzzer then keeps the input. Active in every build, unlike `assert`.
func check(_ condition: Bool, _ what: @autoclosure () -> String) {
    if condition { return }
    var message = "broken: \(what())\n"
    message.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    abort()
}

/// What a parser said, in a form that two readings can be compared by: events with their contents, runs of body joined.
struct Trace: Equatable, CustomStringConvertible {
    private var bytes: [UInt8] = []
    private var isInBody = false

    mutating func event(_ name: StaticString, _ content: UnsafeRawBufferPointer? = nil) {
        isInBody = false
        append("\n", name, " ")
        if let content { bytes.append(contentsOf: content) }
    }

    mutating func event(_ name: StaticString, _ content: String) {
        var content = content
        content.withUTF8 { event(name, UnsafeRawBufferPointer($0)) }
    }

    /// Part of something that may come in any number of parts.
    mutating func body(_ part: UnsafeRawBufferPointer) {
        check(!part.isEmpty, "an empty part of a body")
        if !isInBody { event("body") }
        isInBody = true
        bytes.append(contentsOf: part)
    }

    var description: String { String(decoding: bytes, as: UTF8.self) }

    func starts(with other: Trace) -> Bool { bytes.starts(with: other.bytes) }

    /// The trace before the protocol violation; nil if there was none.
    var withoutFailure: Trace? {
        let failure = Array("\nfailed 1002".utf8)
        guard bytes.suffix(failure.count) == failure[...] else { return nil }
        var trace = self
        trace.bytes.removeLast(failure.count)
        return trace
    }

    private mutating func append(_ texts: StaticString...) {
        for text in texts { bytes.append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }
    }
}

/// Calls `read` with the ways in which a network may cut the bytes, and checks that it makes no difference.
///
/// - Parameter read: gets the offsets at which pieces end, the last one being the number of bytes.
/// - Returns: what was read from the whole.
func sameHoweverCut(_ bytes: UnsafeRawBufferPointer, _ read: ([Int]) -> Trace) -> Trace {
    let whole = read([bytes.count])
    for way in waysToCut(bytes) {
        let pieces = read(way)
        check(pieces == whole, "cut at \(way):\(pieces)\n-- but whole:\(whole)")
    }
    return whole
}

/// The offsets at which pieces end, the last one being the number of bytes; without the whole in one piece.
func waysToCut(_ bytes: UnsafeRawBufferPointer) -> [[Int]] {
    if bytes.count < 2 { return [] }
    var random = SplitMix(state: bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    var ways = [cuts(bytes.count, upTo: bytes.count, &random), cuts(bytes.count, upTo: 16, &random)]
    if bytes.count <= 256 { ways.append(Array(1...bytes.count)) }
    return ways
}

private func cuts(_ byteCount: Int, upTo longest: Int, _ random: inout SplitMix) -> [Int] {
    var ends: [Int] = []
    var end = 0
    while end < byteCount {
        end = min(byteCount, end + Int(random.next() % UInt64(longest)) + 1)
        ends.append(end)
    }
    return ends
}

/// A copy of exactly this size in a place of its own, so that the address sanitizer sees every byte read beyond its end
/// and every view that outlives it.
func withCopy<Result>(_ bytes: UnsafeRawBufferPointer, _ from: Int, _ to: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result)
    -> Result
{
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: to - from, alignment: 1)
    defer { copy.deallocate() }
    copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from..<to]))
    return body(copy)
}

func eachPiece(_ bytes: UnsafeRawBufferPointer, _ ends: [Int], _ body: (UnsafeMutableRawBufferPointer) -> Bool) {
    var start = 0
    for end in ends {
        if !withCopy(bytes, start, end, body) { return }
        start = end
    }
}

/// The cuts follow from the input alone, so that a kept input fails again.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension UnsafeRawBufferPointer {
    /// The first byte, which chooses options of the target, and the rest.
    var optionsAndInput: (UInt8, UnsafeRawBufferPointer) {
        guard let first else { return (0, self) }
        return (first, UnsafeRawBufferPointer(rebasing: self[1...]))
    }
}
