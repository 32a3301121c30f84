import Logging
import Network
import Server
import Upstreams

/// The message after the start, for people: the address, the model, and what to do next.
struct StartMessage {
    var settings: ServeSettings
    var addresses: [SocketAddress]
    var tlsAddresses: [SocketAddress] = []
    /// The name by which this program was called.
    var program: String
    /// Whether every client needs a key.
    var needsKey = false
    /// The first available model, if known.
    var model: String?

    var text: String {
        """
        Interject \(interjectVersion) listens on \(listeners)

          answers  \(answering)
          try it   \(curl)\(whichModel)
          talk     \(chat)
                   (Enter cuts in: with a line of yours, or alone to stop it)
          data     \(data)
          docs     README.md and Protocols/; all settings: \(program) serve --help


        """
    }

    /// The same information for a log record.
    var metadata: Logger.Metadata {
        ["version": "\(interjectVersion)", "listens": "\(listeners)", "answers": "\(answering)", "data": "\(data)"]
    }

    /// The URL of the first listener.
    var url: String { addresses.first.map { ServerURL(listener: $0).text } ?? tlsURL ?? "" }

    /// The URL of the first listener with TLS.
    var tlsURL: String? { tlsAddresses.first.map { ServerURL(listener: $0, isSecure: true).text } }

    private var listeners: String {
        let all = addresses.map { ($0, false) } + tlsAddresses.map { ($0, true) }
        return all.map { address, isSecure in
            let url = ServerURL(listener: address, isSecure: isSecure)
            return url.address == address ? url.text : "\(address), here \(url.text)"
        }.joined(separator: " and ")
    }

    private var answering: String {
        if settings.allUpstreams.isEmpty {
            return "the built-in rehearsal model: not an AI, but everything around it works"
        }
        let names = settings.allUpstreams.map { "\($0.baseURL) (\($0.dialect.rawValue))" }
        return names.joined(separator: settings.upstreamsFile == nil ? ", then " : ", ")
    }

    private var data: String {
        DataDirectory.resolve(settings.dataDirectory) ?? "in memory only, until the process ends"
    }

    /// Placeholder for an unknown model name.
    private static let anyModel = "MODEL"

    private var shownModel: String {
        if settings.allUpstreams.isEmpty { return "rehearsal" }
        // The name becomes part of a shell command, and an upstream may use any name.
        let isPlain = { (byte: UInt8) in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "0123456789-._:/@+".utf8.contains(byte)
        }
        return model.flatMap { !$0.isEmpty && $0.utf8.allSatisfy(isPlain) ? $0 : nil } ?? Self.anyModel
    }

    private var whichModel: String {
        shownModel == Self.anyModel ? "\n           (\(Self.anyModel): one of \(curl("/v1/models")))" : ""
    }

    private var curl: String {
        let body =
            "{\"model\":\"\(shownModel)\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}"
        return curl("/v1/chat/completions", "-N", "-H 'Content-Type: application/json' -d '\(body)'")
    }

    private func curl(_ path: String, _ option: String? = nil, _ rest: String? = nil) -> String {
        var words = ["curl"]
        if let option { words.append(option) }
        var base = url
        if case .unix(let path) = addresses.first {
            words.append("--unix-socket \(path)")
            base = "http://localhost"
        }
        words.append(base + path)
        if needsKey { words.append("-H \"Authorization: Bearer $KEY\"") }
        if let rest { words.append(rest) }
        return words.joined(separator: " ")
    }

    private var chat: String {
        var words = ["\(program) chat"]
        if url != ChatCommand.defaultURL { words.append("--url \(url)") }
        if needsKey { words.append("--api-key \"$KEY\"") }
        return words.joined(separator: " ")
    }
}
