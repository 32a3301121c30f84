import Network
import Server
import Testing
import Upstreams

@testable import interject

/// Where a setting may come from, and who wins.
@Suite struct SettingSourcesTests {
    private func resolve(
        flags: [String: [String]] = [:], environment: [String: String] = [:], file: String? = nil
    ) throws(Failure) -> ServeSettings {
        var flags = flags
        if file != nil { flags["config"] = ["/etc/interject.yaml"] }
        let sources = SettingSources(flags: flags, environment: Environment(environment)) { (path) throws(FileError) in
            guard path == "/etc/interject.yaml", let file else { throw FileError(2) }
            return file
        }
        return try sources.resolve()
    }

    private func problem(
        flags: [String: [String]] = [:], environment: [String: String] = [:], file: String? = nil
    ) -> String {
        do {
            _ = try resolve(flags: flags, environment: environment, file: file).serverConfiguration()
            return "none"
        } catch {
            #expect(error.exitStatus == 2)
            #expect(!error.message.contains("\n"))
            return error.message
        }
    }

    @Test func withoutAnySourceTheDefaultsHold() throws {
        let settings = try resolve()
        #expect(settings.host == "127.0.0.1" && settings.port == 8080 && settings.upstreams.isEmpty)
        #expect(try settings.serverConfiguration().addresses == [.tcp(host: "127.0.0.1", port: 8080)])
    }

    @Test func flagsWinOverEnvironmentOverFileOverDefault() throws {
        let file = "port: 1\nheartbeat: 2\nloops: 3\n"
        let environment = ["INTERJECT_PORT": "10", "INTERJECT_HEARTBEAT": "20"]
        let settings = try resolve(flags: ["port": ["100"]], environment: environment, file: file)
        #expect(settings.port == 100)
        #expect(settings.heartbeat == .seconds(20))
        #expect(settings.loops == 3)
        #expect(settings.retention == .seconds(604_800))
    }

    @Test func theFileMayBeNamedByTheEnvironment() throws {
        let sources = SettingSources(flags: [:], environment: Environment(["INTERJECT_CONFIG": "a"])) { (path) throws(FileError) in
            #expect(path == "a")
            return "port: 7"
        }
        #expect(try sources.resolve().port == 7)
    }

    @Test func anEmptyVariableCountsAsNone() throws {
        #expect(try resolve(environment: ["INTERJECT_PORT": ""]).port == 8080)
    }

    @Test func listsAreRepeatedFlagsCommasOrYAMLLists() throws {
        let flags = try resolve(flags: ["upstream": ["http://a", "http://b/v1"]])
        let environment = try resolve(environment: ["INTERJECT_UPSTREAM": "http://a, http://b/v1"])
        let file = try resolve(file: "upstream:\n  - http://a\n  - http://b/v1\n")
        for settings in [flags, environment, file] {
            #expect(settings.upstreams.map(\.baseURL) == ["http://a/v1", "http://b/v1"])
        }
        #expect(try resolve(file: "map-model: {gpt: llama, big: small}").modelMappings.count == 2)
        #expect(try resolve(file: "upstream: http://a").upstreams.count == 1)
    }

    @Test(arguments: [
        ("port: banana", "/etc/interject.yaml:1: port: \"banana\""),
        ("# c\n\nprot: 8080", "/etc/interject.yaml:3: prot: there is no such setting: did you mean port?"),
        ("log_memory: 1MiB", "did you mean log-memory?"), ("port: [1, 2]", "port: give one value"),
        ("port:", "port: the value is missing"), ("port: [", "/etc/interject.yaml: line"), ("- port", "is not a mapping"),
        ("config: other.yaml", "config: there is no such setting"), ("port: 1\nport: 2", "more than once"),
    ])
    func aWrongFileIsOneLineThatSaysWhere(text: String, expected: String) {
        #expect(problem(file: text).contains(expected))
    }

    @Test(arguments: ["", "# nothing\n", "{}"])
    func anEmptyFileIsGood(text: String) {
        #expect(problem(file: text) == "none")
    }

    @Test func theSourceIsNamed() {
        #expect(problem(flags: ["port": ["x"]]).hasPrefix("--port: \"x\""))
        #expect(problem(environment: ["INTERJECT_PORT": "x"]).hasPrefix("INTERJECT_PORT: \"x\""))
        #expect(problem(environment: ["INTERJECT_LOG_LEVEL": "loud"]).contains("trace, debug"))
        #expect(problem(flags: ["config": ["/none"]]) == "/none: No such file or directory")
    }

    @Test func aValueThatLosesIsNotEvenRead() throws {
        #expect(try resolve(flags: ["port": ["1"]], environment: ["INTERJECT_PORT": "x"], file: "port: y").port == 1)
    }

    @Test func otherMachinesNeedAKey() throws {
        let open = ["host": ["0.0.0.0"], "data": ["none"]]
        #expect(problem(flags: open).contains("--insecure-no-auth"))
        #expect(problem(flags: open.merging(["insecure-no-auth": ["true"]]) { $1 }) == "none")
        #expect(problem(flags: open.merging(["api-key": ["a=b"]]) { $1 }) == "none")
        #expect(problem(flags: ["host": ["none"]]).contains("--unix-socket"))
        #expect(problem(flags: ["host": ["none"], "unix-socket": ["a.socket"]]) == "none")
    }

    @Test func keysGoWithUpstreamsInTheirOrder() throws {
        let two = ["upstream": ["http://a/v1", "anthropic+http://b"], "upstream-key": ["k1", "k2"], "map-model": ["gpt=llama"]]
        let upstreams = try resolve(flags: two).serverConfiguration().upstreams
        #expect(upstreams.map(\.key) == ["k1", "k2"])
        #expect(upstreams.map(\.dialect) == [.chatCompletions, .anthropicMessages])
        #expect(upstreams[0].modelNames == ["gpt": "llama"])
        let one = try resolve(flags: ["upstream": ["http://a", "http://b"], "upstream-key": ["k"]]).serverConfiguration()
        #expect(one.upstreams.map(\.key) == ["k", "k"])
        #expect(problem(flags: ["upstream": ["http://a"], "upstream-key": ["k", "l"]]).contains("2 keys for 1 upstreams"))
        #expect(problem(flags: ["upstream-key": ["k"]]).contains("no --upstream"))
    }
}
