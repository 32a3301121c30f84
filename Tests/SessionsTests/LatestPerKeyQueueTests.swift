import Sessions
import Testing
import ToldSession

@Suite struct LatestPerKeyQueueTests {
    typealias Queue = LatestPerKeyQueue<String, Int>

    private func drain(_ queue: inout Queue) -> [String] {
        var taken: [String] = []
        while let element = queue.next() {
            switch element {
            case .control(let value): taken.append("!\(value)")
            case .latest(let key, let value): taken.append("\(key)\(value)")
            }
        }
        return taken
    }

    @Test func theNewestValueWinsInThePlaceOfTheOldest() {
        var queue = Queue(maxByteCount: 100, maxControlByteCount: 10)
        #expect(queue.put(1, for: "a", byteCount: 10) == .queued)
        #expect(queue.put(1, for: "b", byteCount: 10) == .queued)
        #expect(queue.put(2, for: "a", byteCount: 30) == .replaced(byteCount: 10))
        #expect(queue.byteCount == 40)
        #expect(queue.count == 2)
        #expect(drain(&queue) == ["a2", "b1"])
        #expect(queue.isEmpty && queue.byteCount == 0)
        // What was taken is no older value.
        #expect(queue.put(3, for: "a", byteCount: 10) == .queued)
    }

    @Test func controlStandsInFrontInItsOwnOrder() {
        var queue = Queue(maxByteCount: 100, maxControlByteCount: 2)
        _ = queue.put(1, for: "a", byteCount: 100)
        #expect(queue.putControl(1, byteCount: 1) == .queued)
        #expect(queue.putControl(2, byteCount: 1) == .queued)
        #expect(queue.putControl(3, byteCount: 1) == .full)
        #expect(drain(&queue) == ["!1", "!2", "a1"])
        #expect(queue.putControl(3, byteCount: 2) == .queued)
    }

    @Test func whatDoesNotFitChangesNothing() {
        var queue = Queue(maxByteCount: 100, maxControlByteCount: 10)
        _ = queue.put(1, for: "a", byteCount: 60)
        #expect(queue.put(1, for: "b", byteCount: 41) == .full)
        #expect(queue.put(2, for: "a", byteCount: 101) == .full)
        #expect(queue.byteCount == 60)
        #expect(queue.put(1, for: "b", byteCount: 40) == .queued)
        #expect(queue.put(3, for: "a", byteCount: 59) == .replaced(byteCount: 60))
        #expect(drain(&queue) == ["a3", "b1"])
    }

    @Test func whatIsOverIsDroppedAndMayComeAgain() {
        var queue = Queue(maxByteCount: 100, maxControlByteCount: 10)
        _ = queue.put(1, for: "a", byteCount: 10)
        _ = queue.put(1, for: "b", byteCount: 10)
        #expect(queue.remove("a") == 10)
        #expect(queue.remove("a") == nil)
        _ = queue.put(2, for: "a", byteCount: 10)
        #expect(drain(&queue) == ["b1", "a2"])
    }

    /// Against a model that is slow and plain.
    @Test(arguments: 0..<32) func behavesAsTheModel(_ seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var queue = Queue(maxByteCount: 200, maxControlByteCount: 50)
        var latest: [(key: String, value: Int, byteCount: Int)] = []
        var control: [(value: Int, byteCount: Int)] = []
        for step in 0..<3000 {
            let key = String(UnicodeScalar(UInt8.random(in: 97...104, using: &random)))
            let size = Int.random(in: 0...60, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0...3:
                let place = latest.firstIndex { $0.key == key }
                let older = place.map { latest[$0].byteCount } ?? 0
                let total = latest.map(\.byteCount).reduce(0, +) - older + size
                let admission = queue.put(step, for: key, byteCount: size)
                guard total <= 200 else {
                    #expect(admission == .full, "seed \(seed)")
                    continue
                }
                if let place { latest[place] = (key, step, size) } else { latest.append((key, step, size)) }
                #expect(admission == (place == nil ? .queued : .replaced(byteCount: older)), "seed \(seed)")
            case 4:
                let fits = control.map(\.byteCount).reduce(0, +) + size <= 50
                #expect(queue.putControl(step, byteCount: size) == (fits ? .queued : .full), "seed \(seed)")
                if fits { control.append((step, size)) }
            case 5:
                let place = latest.firstIndex { $0.key == key }
                #expect(queue.remove(key) == place.map { latest[$0].byteCount }, "seed \(seed)")
                if let place { latest.remove(at: place) }
            default:
                switch queue.next() {
                case .control(let value): #expect(control.removeFirst().value == value, "seed \(seed)")
                case .latest(let key, let value):
                    #expect(control.isEmpty, "control waits behind bulk, seed \(seed)")
                    let first = latest.removeFirst()
                    #expect(first.key == key && first.value == value, "seed \(seed)")
                case nil: #expect(control.isEmpty && latest.isEmpty, "seed \(seed)")
                }
            }
            #expect(queue.byteCount == latest.map(\.byteCount).reduce(0, +) && queue.byteCount <= 200)
            #expect(queue.controlByteCount <= 50 && queue.count == latest.count + control.count)
        }
    }
}
