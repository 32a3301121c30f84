import Bytes
import HTTP

extension SettingValue {
    /// A proxy in front of the server that is trusted to name its clients.
    enum TrustedProxy: Equatable, Sendable {
        case block(CIDRBlock)
        /// Peers on the Unix socket.
        case unixSocket

        static func joined(_ proxies: [TrustedProxy]) -> TrustedProxies {
            var blocks: [CIDRBlock] = []
            for case .block(let block) in proxies { blocks.append(block) }
            return TrustedProxies(blocks, includesUnixSockets: proxies.contains(.unixSocket))
        }
    }

    /// Parses an address, a range of addresses, or `unix`.
    static func trustedProxy(_ text: String) throws(InvalidValue) -> TrustedProxy {
        if text == "unix" { return .unixSocket }
        do throws(CIDRBlock.ParseError) {
            return .block(try CIDRBlock(text))
        } catch {
            switch error {
            case .noAddress:
                throw InvalidValue("\"\(text)\" is neither an address, nor a range such as 10.0.0.0/8, nor unix")
            case .noPrefixLength(let max):
                throw InvalidValue("\"\(text)\": after the slash, give a number from 0 to \(max)")
            case .bitsBeyondPrefix(let meant):
                throw InvalidValue("\"\(text)\" has bits set beyond its prefix: give \(meant), or one address without a slash")
            }
        }
    }
}
