import Synchronization
import Testing

@testable import Jobs

@Suite struct HeldWebhookTests {
    private final class Count: Sendable {
        let value = Atomic<Int>(0)
    }

    @Test(arguments: [true, false]) func itGoesOutOnceWhenBothAreOnTheDisk(writtenFirst: Bool) {
        let sent = Count()
        let held = HeldWebhook { sent.value.add(1, ordering: .relaxed) }
        if writtenFirst { held.written() } else { held.release() }
        #expect(sent.value.load(ordering: .relaxed) == 0)
        if writtenFirst { held.release() } else { held.written() }
        #expect(sent.value.load(ordering: .relaxed) == 1)
        held.release()
        #expect(sent.value.load(ordering: .relaxed) == 1)
    }
}
