import Bytes
import HTTP

extension SettingValue {
    /// Who may stand in front of the server.
    enum TrustedProxy: Equatable, Sendable {
        case block(CIDRBlock)
        /// Peers of the Unix socket.
        case unixSocket

        static func joined(_ proxies: [TrustedProxy]) -> TrustedProxies {
            var blocks: [CIDRBlock] = []
            for case .block(let block) in proxies { blocks.append(block) }
            return TrustedProxies(blocks, includesUnixSockets: proxies.contains(.unixSocket))
        }
    }

    /// An address, a range of addresses, or `unix`.
    static func trustedProxy(_ text: String) throws(InvalidValue) -> TrustedProxy {
        if text == "unix" { return .unixSocket }
        do throws(CIDRBlock.ParseError) {
            return .block(try CIDRBlock(text))
        } catch {
            switch error {
            case .noAddress:
                throw InvalidValue("\"\(text)\" is neither an address, nor a range such as 10.0.0.0/8, nor unix")
            case .noPrefixLength(let max):
                throw InvalidValue("\"\(text)\": behind the slash stands a number from 0 to \(max)")
            case .bitsBeyondPrefix(let meant):
                throw InvalidValue("\"\(text)\" has bits set beyond its prefix: give \(meant), or one address without a slash")
            }
        }
    }
}
