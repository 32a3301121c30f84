import Jobs
import Testing

@Suite struct BatchInputTests {
    private func faults(_ text: String, _ limits: BatchLimits = BatchFixture.quickLimits) async throws -> [Batch.Fault] {
        let fixture = try await BatchFixture()
        let engine = try await fixture.engine(ScriptedRunner(), limits)
        let batch = try await fixture.wait(engine, try await fixture.create(engine, text))
        #expect((batch.status == .failed) == !batch.faults.isEmpty)
        if batch.status == .failed { #expect(try await fixture.told() == ["batch.failed ann \(batch.id)"]) }
        return batch.faults
    }

    @Test func emptyLinesAreNoneAndTheLastOneNeedsNoEnd() async throws {
        let text =
            "\n" + BatchFixture.line("a") + "  \r\n" + BatchFixture.line("b").dropLast() + "\r\n\n"
            + BatchFixture.line("c").dropLast()
        #expect(try await faults(text).isEmpty)
    }

    @Test func faultsNameTheirLines() async throws {
        let text = BatchFixture.line("a") + "\n" + "nonsense\n" + BatchFixture.line("a") + BatchFixture.line("b", model: "other")
        let found = try await faults(text)
        #expect(found.map(\.code) == ["invalid_json_line", "duplicate_custom_id", "model_mismatch"])
        #expect(found.map(\.line) == [3, 4, 5])
    }

    @Test func faultsAreBounded() async throws {
        var limits = BatchFixture.quickLimits
        limits.maxFaults = 3
        #expect(try await faults(String(repeating: "x\n", count: 50), limits).count == 3)
    }

    @Test func lengthAndNumberAreBounded() async throws {
        var limits = BatchFixture.quickLimits
        limits.maxLineBytes = 200
        limits.maxLines = 3
        let long = BatchFixture.line(String(repeating: "x", count: 200))
        #expect(try await faults(BatchFixture.line("a") + long + BatchFixture.line("b"), limits).map(\.code) == ["line_too_long"])
        #expect(try await faults((0..<4).map { BatchFixture.line("\($0)") }.joined(), limits).map(\.code) == ["too_many_tasks"])
        #expect(try await faults("", limits).map(\.code) == ["empty_file"])
        limits.maxCustomIDBytes = 4
        #expect(try await faults(BatchFixture.line("abcde"), limits).map(\.param) == ["custom_id"])
    }

    /// Lines that end anywhere within the pieces in which the file is read.
    @Test func linesAreFoundWhereverPiecesOfTheFileEnd() async throws {
        let fixture = try await BatchFixture()
        let runner = ScriptedRunner()
        let engine = try await fixture.engine(runner)
        var text = ""
        var ids: Set<String> = []
        for number in 0..<60 {
            let id = "\(number)-" + String(repeating: "é", count: number % 7)
            ids.insert(id)
            let filling = String(repeating: "z", count: number * 977 % 40_000)
            text +=
                "{\"custom_id\":\"\(id)\",\"method\":\"POST\",\"url\":\"/v1/responses\",\"body\":{\"model\":\"m\",\"input\":\"\(filling)\"}}\n"
        }
        let batch = try await fixture.wait(engine, try await fixture.create(engine, text))
        #expect(batch.counts == Batch.Counts(total: 60, completed: 60, failed: 0))
        #expect(Set(runner.attempts.keys) == ids)
    }

    @Test func windowsAreWholeNumbersUpToAMonth() throws {
        #expect(try CompletionWindow("24h").seconds == 86_400)
        #expect(try CompletionWindow("90s").seconds == 90)
        #expect(try CompletionWindow("30d").seconds == 30 * 86_400)
        for text in ["", "h", "24", "0h", "-1h", "+1h", "1.5h", "31d", "99999999999999999999h", "24 h", "24H"] {
            #expect(throws: JobError.self, "\(text)") { try CompletionWindow(text) }
        }
    }
}
