import Bytes
import JSON
import Sessions
import Testing

/// Positions as clients send them and get them, and which of them a log with epochs still honours.
@Suite struct LogPositionTests {
    @Test(arguments: [
        ("0", 0, 0), ("41", 0, 41), ("2:41", 2, 41), ("0:41", 0, 41), ("007", 0, 7), ("1764575350:0", 1_764_575_350, 0),
        ("9223372036854775807", 0, Int.max), ("9223372036854775807:9223372036854775807", Int.max, Int.max),
    ])
    func textIsRead(_ text: String, _ epoch: Int, _ sequence: Int) {
        #expect(LogPosition(text) == LogPosition(epoch: epoch, sequence: sequence))
    }

    @Test(arguments: [
        "", ":", "1:", ":1", "1:2:3", "::", "-1", "+1", "1:-2", " 1", "1 ", "1.0", "1e3", "0x10", "٤١", "１", "1\0", "1:2:",
        "9223372036854775808", "1:9223372036854775808", "99999999999999999999999999999999", "a", "1,2", "1;2", "null",
    ])
    func hostileTextIsNoPosition(_ text: String) {
        #expect(LogPosition(text) == nil)
    }

    @Test func theEpochIsWrittenOnlyWhenItIsNotZero() {
        #expect(LogPosition(sequence: 41).description == "41")
        #expect(LogPosition(epoch: 2, sequence: 41).description == "2:41")
        func json(_ position: LogPosition) -> String {
            var buffer = ByteBuffer()
            buffer.appendJSONObject { $0.field(epochOf: position) }
            return String(decoding: buffer.array, as: UTF8.self)
        }
        #expect(json(LogPosition(sequence: 41)) == "{}")
        #expect(json(LogPosition(epoch: 2, sequence: 41)) == #"{"epoch":2}"#)
    }

    @Test func whatIsWrittenIsRead() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1000 {
            let position = LogPosition(
                epoch: Int.random(in: 0...Int.max >> Int.random(in: 0..<63), using: &random),
                sequence: Int.random(in: 0...Int.max >> Int.random(in: 0..<63), using: &random))
            #expect(LogPosition(position.description) == position)
        }
    }

    @Test func aLaterEpochIsAfterAnyPositionOfAnEarlierOne() {
        let ordered = [(0, 0), (0, 90), (1, 0), (1, 81), (1, 82), (3, 1)].map { LogPosition(epoch: $0, sequence: $1) }
        #expect(ordered.reversed().sorted() == ordered)
    }

    // MARK: Epochs

    /// Events 1 to 80 are of epoch 0, 81 to 99 of epoch 1, and epoch 7 begins with the next.
    private let epochs = LogEpochs([
        LogEpochs.Start(epoch: 7, sequence: 100), LogEpochs.Start(epoch: 1, sequence: 81),
    ])

    @Test func anEventIsOfTheEpochThatBeganLastBeforeIt() {
        #expect([1, 80, 81, 99, 100, 1000].map(epochs.epoch) == [0, 0, 1, 1, 7, 7])
        #expect(epochs.current == 7 && LogEpochs().current == 0 && LogEpochs().epoch(of: 5) == 0)
    }

    @Test(arguments: [("0", 0), ("80", 80), ("1:81", 81), ("1:99", 99), ("7:100", 100), ("7:500", 500), ("1:40", 40), ("7:80", 80)])
    func aPositionWhoseEventIsLeftHolds(_ position: String, _ sequence: Int) throws {
        #expect(epochs.sequence(of: try #require(LogPosition(position))) == sequence)
    }

    /// The last ones are of a history that a backup has taken back.
    @Test(arguments: ["81", "100", "1:100", "2:41", "8:1", "9223372036854775807:1"])
    func aPositionThatMayBeOfALostEventIsLost(_ position: String) throws {
        #expect(epochs.sequence(of: try #require(LogPosition(position))) == nil)
    }

    @Test(arguments: ["0", "1:0", "12:0"]) func whoHasNothingHasNothingThatCouldBeWrong(_ position: String) throws {
        #expect(epochs.sequence(of: try #require(LogPosition(position))) == 0)
    }
}
