import Foundation
import Logging
import Network
import Synchronization
import Testing

@testable import Server

/// What a start that fails leaves behind: nothing.
@Suite struct StartedPartsTests {
    @Test func partsAreStoppedNewestFirst() async {
        let stopped = StoppedParts()
        var started = StartedParts()
        for number in 1...3 { started.add { stopped.numbers.withLock { $0.append(number) } } }
        await started.stop()
        #expect(stopped.numbers.withLock { $0 } == [3, 2, 1])
    }

    @Test func aStartThatFailsLetsGoOfItsData() async throws {
        let directory = NSTemporaryDirectory() + "interject-start-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var configuration = ServerConfiguration()
        configuration.dataDirectory = directory
        configuration.loops = 1
        configuration.drainWindow = .zero
        // An address for documentation, which no machine has; it is the last that the start asks for.
        configuration.addresses = [.tcp(host: "127.0.0.1", port: 0), .tcp(host: "192.0.2.1", port: 0)]
        await #expect(throws: SystemCallError.self) { _ = try await Server.start(configuration, logger: logger) }
        configuration.addresses.removeLast()
        try await Server.start(configuration, logger: logger).shutDown()
    }
}

private final class StoppedParts: Sendable {
    let numbers = Mutex<[Int]>([])
}
