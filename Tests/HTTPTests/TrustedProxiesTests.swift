import Bytes
import HTTP
import Testing

@Suite struct TrustedProxiesTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let peer: String?
        let fields: [[String]]
        let client: String
        let scheme: String?
        var testDescription: String { name }
    }

    static let cases: [Case] = (try? vectors("http/forwarded.json", of: Case.self)) ?? []

    @Test func thereAreVectors() { #expect(Self.cases.count >= 40) }

    @Test(arguments: cases)
    func theClientIsTheNearestHopThatIsNotOurs(_ vector: Case) throws {
        let proxies = TrustedProxies([try CIDRBlock("10.0.0.0/8")], includesUnixSockets: true)
        var fields = HeaderFields()
        for field in vector.fields { try fields.append(field[0], field[1]) }
        do throws(ForwardedError) {
            let client = try proxies.client(of: vector.peer.flatMap { IPAddress($0) }, fields)
            #expect(client.address?.description == vector.client)
            #expect(client.scheme?.rawValue == vector.scheme)
        } catch {
            #expect("\(error)" == vector.client)
            #expect(!error.advice.isEmpty)
        }
    }

    @Test func withoutASettingNobodyIsBelieved() throws {
        var fields = HeaderFields()
        try fields.append("Forwarded", "for=192.0.2.60")
        for peer in [IPAddress("127.0.0.1"), nil] {
            #expect(try TrustedProxies().client(of: peer, fields) == RequestClient(address: peer))
        }
    }
}
