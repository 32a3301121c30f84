import Bytes
import Testing

@Suite struct ByteBufferTests {
    @Test func readsBackWhatWasAppended() {
        var buffer = ByteBuffer()
        buffer.append("ab" as StaticString)
        buffer.append([0, 255])
        buffer.append("é")
        #expect(buffer.array == [97, 98, 0, 255, 0xC3, 0xA9])
    }

    @Test(arguments: [
        (0, "0"), (9, "9"), (10, "10"), (-1, "-1"), (Int.max, "9223372036854775807"), (Int.min, "-9223372036854775808"),
    ])
    func appendsDecimals(value: Int, text: String) {
        var buffer = ByteBuffer()
        buffer.append(decimal: value)
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == text)
    }

    @Test(arguments: [0, 1, 15, 16, 255, 4096, 65_535, 1 << 40])
    func appendsHexadecimals(value: Int) {
        var buffer = ByteBuffer()
        buffer.append(hexadecimal: value)
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == String(value, radix: 16))
    }

    /// The size of the storage follows the fullest moment, not the traffic.
    @Test func filledAndDrainedForLongItKeepsItsSize() {
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        var generator = SystemRandomNumberGenerator()
        for step in 0..<20_000 {
            if model.count < 500, Bool.random(using: &generator) {
                let chunk = [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: Int.random(in: 0..<200, using: &generator))
                buffer.append(chunk)
                model += chunk
            } else {
                let count = Int.random(in: 0...model.count, using: &generator)
                buffer.consume(count)
                model.removeFirst(count)
            }
            #expect(buffer.count == model.count)
        }
        #expect(buffer.array == model)
        #expect(buffer.capacity <= 4096)
    }

    @Test func clearingGivesLargeStorageBack() {
        var buffer = ByteBuffer(capacity: 100_000)
        buffer.append("x")
        buffer.clear(keepingCapacity: 4096)
        #expect(buffer.isEmpty && buffer.capacity == 0)
    }

    /// Blocks that are many pages long grow without a copy, and are asked for huge pages.
    @Test func growsOverManyPagesFromWhereverItIsRead() {
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        for step in 0..<100 {
            let chunk = [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: 150_000)
            buffer.append(chunk)
            model += chunk
            if step % 7 == 0 {
                buffer.consume(100_000)
                model.removeFirst(100_000)
            }
        }
        #expect(buffer.array == model)
        let inserted = [UInt8](repeating: 7, count: 5_000_000)
        for offset in [0, 1000, model.count] {
            let whole = inserted.withUnsafeBytes { buffer.array(inserting: $0, at: offset) }
            #expect(whole == model[..<offset] + inserted + model[offset...])
        }
        var copy = buffer.array(room: 1)
        #expect(copy.capacity > model.count)
        copy.append(1)
        #expect(copy == model + [1])
    }
}
