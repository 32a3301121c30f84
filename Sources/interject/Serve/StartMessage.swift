import Network
import Server
import Upstreams

/// What a person reads who has just started the server: where it is, who answers, and what to do next.
struct StartMessage {
    var settings: ServeSettings
    var addresses: [SocketAddress]
    var tlsAddresses: [SocketAddress] = []
    /// How this program was called.
    var program: String

    var text: String {
        """
        Interject \(interjectVersion) listens on \(listeners)

          answers  \(whoAnswers)
          try it   \(curl)
          talk     \(chat)
                   (Enter cuts in: with a line of yours, or alone to stop it)
          data     \(data)
          docs     README.md and Protocols/; all settings: \(program) serve --help


        """
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

    private var whoAnswers: String {
        if settings.allUpstreams.isEmpty {
            return "the built-in rehearsal model: no AI, it only talks so that all else can be tried"
        }
        let names = settings.allUpstreams.map { "\($0.baseURL) (\($0.dialect.rawValue))" }
        return names.joined(separator: settings.upstreamsFile == nil ? ", then " : ", ")
    }

    private var data: String {
        DataDirectory.resolve(settings.dataDirectory) ?? "in memory alone, until the process ends"
    }

    private var model: String {
        settings.allUpstreams.isEmpty ? "rehearsal" : settings.modelMappings.first?.publicName ?? "MODEL"
    }

    private var curl: String {
        var words = ["curl -N"]
        var base = url
        if case .unix(let path) = addresses.first {
            words.append("--unix-socket \(path)")
            base = "http://localhost"
        }
        words.append("\(base)/v1/chat/completions -H 'Content-Type: application/json'")
        if !settings.principals.isEmpty { words.append("-H \"Authorization: Bearer $KEY\"") }
        words.append("-d '{\"model\":\"\(model)\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'")
        return words.joined(separator: " ")
    }

    private var chat: String {
        var words = ["\(program) chat"]
        if url != ChatCommand.defaultURL { words.append("--url \(url)") }
        if !settings.principals.isEmpty { words.append("--api-key \"$KEY\"") }
        return words.joined(separator: " ")
    }
}
