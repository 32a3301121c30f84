import ArgumentParser
import Logging
import Network
import WebSocket

/// `interject echo-client`, hidden: the client under test of Autobahn's fuzzing server (Scripts/autobahn.sh).
struct EchoClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo-client",
        abstract: "Runs the cases of Autobahn's fuzzing server as an echo client.",
        shouldDisplay: false)

    /// Upper limit on the number of cases; the largest suite has fewer.
    private static let maxCaseCount = 10_000

    @Argument(help: ArgumentHelp("URL of the fuzzing server.", valueName: "http://HOST:PORT")) var server: String
    @Option(help: ArgumentHelp("Name in the server's report.", valueName: "NAME")) var agent = "interject"

    func run() async throws {
        let url: ServerURL
        do throws(InvalidValue) {
            url = try ServerURL.read(server)
        } catch {
            throw Failure.usage(error.problem)
        }
        let logger = Logger(label: "interject") { _ in StandardErrorLog(logLevel: .notice, format: .text) }
        let group = try EventLoopGroup(count: 1, logger: logger)
        defer { group.shutDown() }
        let loop = group.loops[0]
        let answer = try await EchoClientSocket.visit("/getCaseCount", of: url, on: loop)
        guard let caseCount = Int(answer), (1...Self.maxCaseCount).contains(caseCount) else {
            throw Failure.runtime("\(url.text) did not report the number of its cases: is it `wstest -m fuzzingserver`?")
        }
        for number in 1...caseCount {
            _ = try await EchoClientSocket.visit("/runCase?case=\(number)&agent=\(agent)", of: url, on: loop)
        }
        _ = try await EchoClientSocket.visit("/updateReports?agent=\(agent)", of: url, on: loop)
    }
}
