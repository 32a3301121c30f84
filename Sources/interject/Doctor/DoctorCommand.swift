import ArgumentParser
import Bytes
import Logging
import Network
import Server
import Upstreams

/// `interject doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Checks whether a server with these settings would work here.",
        discussion: """
            Accepts the settings of serve, from flags, environment and file. Prints one line per check; \
            the exit status is 1 if one fails, 2 if a setting is invalid.
            """)

    @OptionGroup var flags: SettingFlags

    func run() async throws {
        let settings = try flags.resolve()
        var hasFailed = false
        func report(_ finding: Finding) {
            Standard.output(finding.line)
            if finding.verdict == .fail { hasFailed = true }
        }
        report(SystemChecks.program())
        report(SystemChecks.descriptors())
        report(SystemChecks.libcurl())
        let quiet = Logger(label: "interject") { _ in StandardErrorLog(logLevel: .critical, format: .text) }
        let group = try EventLoopGroup(count: 1, logger: quiet)
        do {
            let configuration = try settings.serverConfiguration()
            report(.ok("settings", settings.configFile.map { "valid, with \($0)" } ?? "valid"))
            for upstream in configuration.upstreams { report(await ask(upstream, group.loops[0])) }
        } catch {
            report(.fail("settings", error.message))
        }
        report(DataCheck.find(settings))
        for finding in CertificateChecks.find(settings) { report(finding) }
        for address in settings.addresses + settings.tlsAddresses { report(await ListenerCheck.find(address, group)) }
        if let path = settings.readyFile { report(ListenerCheck.find(readyFile: path)) }
        for finding in await UpstreamStates.find(settings, group.loops[0]) { report(finding) }
        if settings.allUpstreams.isEmpty {
            report(.ok("upstream", "none is set: the built-in rehearsal model answers (no AI)"))
        }
        let found = await LocalUpstreams.find(besides: settings.addresses + settings.tlsAddresses)
        for upstream in found where !settings.allUpstreams.contains(where: { $0.baseURL == upstream.configuration.baseURL }) {
            report(.ok("local", LocalUpstreams.describe(upstream, program: CommandLine.arguments.first ?? "interject")))
        }
        if found.isEmpty {
            report(.ok("local", "no Ollama, llama.cpp, vLLM or LM Studio on its usual port"))
        }
        group.shutDown()
        if hasFailed { throw ExitCode(1) }
    }

    private func ask(_ upstream: UpstreamConfiguration, _ loop: EventLoop) async -> Finding {
        let report = await UpstreamProbe.check(upstream, on: loop)
        let milliseconds = Int(saturating: (report.latency.seconds * 1000).rounded(.up))
        if let error = report.error {
            let advice = report.isReachable ? "check its URL and key" : "is it running, and is the URL right?"
            return .fail("upstream", "\(upstream.baseURL): \(error) (\(advice))")
        }
        if report.models.isEmpty {
            return .warn("upstream", "\(upstream.baseURL) answers in \(milliseconds) ms, but offers no model")
        }
        let names = report.models.prefix(5).joined(separator: ", ") + (report.models.count > 5 ? ", …" : "")
        return .ok("upstream", "\(upstream.baseURL) answers in \(milliseconds) ms, \(report.models.count) models: \(names)")
    }
}
