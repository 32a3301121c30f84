import Foundation
import Testing

@testable import WebSocket

/// Protocols/vectors/deflate/negotiation.json, through whole handshakes.
@Suite struct DeflateNegotiationTests {
    struct Vectors: Decodable {
        struct Offer: Decodable {
            var name: String
            var offers: [String]
            var answer: String?
            var windowBits: Int?
            var keepsContext: Bool?
            var off: Bool?
        }
        struct Response: Decodable {
            var name: String
            var response: [String]
            var outcome: String
            var keepsContext: Bool?
            var off: Bool?
        }
        var offers: [Offer]
        var responses: [Response]

        static func load() throws -> Vectors {
            try JSONDecoder().decode(
                Vectors.self, from: Data(contentsOf: WireVector.directory("deflate").appendingPathComponent("negotiation.json")))
        }
    }

    private static func options(windowBits: Int? = nil, keepsContext: Bool? = nil) -> DeflateOptions {
        let keeps = keepsContext ?? true
        return DeflateOptions(windowBits: windowBits ?? 11, keepsOutgoingContext: keeps, keepsIncomingContext: keeps)
    }

    @Test func aServerAnswersOffers() throws {
        for vector in try Vectors.load().offers {
            let options = Self.options(windowBits: vector.windowBits, keepsContext: vector.keepsContext)
            let handshake = ServerHandshake(deflate: vector.off == true ? nil : options)
            let fields =
                ClientHandshake().fields + [(name: "Host", value: "localhost")]
                + vector.offers.map { (name: "Sec-WebSocket-Extensions", value: $0) }
            let acceptance = try handshake.accept(HandshakeRequest(method: "GET", httpMinorVersion: 1, fields: fields))
            let answers = acceptance.fields.filter { $0.name == "Sec-WebSocket-Extensions" }.map(\.value)
            #expect(answers == vector.answer.map { [$0] } ?? [], "\(vector.name)")
            #expect(acceptance.extensions.hasDeflate == (vector.answer != nil), "\(vector.name)")
        }
    }

    @Test func aClientJudgesResponses() throws {
        for vector in try Vectors.load().responses {
            let options = Self.options(keepsContext: vector.keepsContext)
            let client = ClientHandshake(deflate: vector.off == true ? nil : options)
            let fields =
                [
                    (name: "Upgrade", value: "websocket"), (name: "Connection", value: "Upgrade"),
                    (name: "Sec-WebSocket-Accept", value: AcceptKey.accepting(client.key) ?? ""),
                ] + vector.response.map { (name: "Sec-WebSocket-Extensions", value: $0) }
            let outcome: String
            do {
                let response = HandshakeResponse(status: 101, httpMinorVersion: 1, fields: fields)
                outcome = Self.text(try client.validate(response).extensions.deflate)
            } catch {
                outcome = "\(error)"
            }
            #expect(outcome == vector.outcome, "\(vector.name)")
        }
    }

    private static func text(_ agreement: DeflateAgreement?) -> String {
        guard let agreement else { return "none" }
        let (outgoing, incoming) = (agreement.outgoing, agreement.incoming)
        return "out \(outgoing.windowBits)\(outgoing.keepsContext ? " takeover" : ""), "
            + "in \(incoming.windowBits)\(incoming.keepsContext ? " takeover" : "")"
    }

    /// What one end may send the other must be able to take: windows and takeover fit, whatever both want.
    @Test func bothEndsOfOursUnderstandEachOther() throws {
        for serverBits in 9...15 {
            for clientBits in 9...15 {
                for keeps in [true, false] {
                    let client = ClientHandshake(
                        deflate: DeflateOptions(windowBits: clientBits, keepsOutgoingContext: keeps, keepsIncomingContext: !keeps))
                    let server = ServerHandshake(deflate: DeflateOptions(windowBits: serverBits))
                    let acceptance = try server.accept(
                        HandshakeRequest(
                            method: "GET", httpMinorVersion: 1, fields: client.fields + [(name: "Host", value: "localhost")]))
                    let outcome = try client.validate(
                        HandshakeResponse(status: 101, httpMinorVersion: 1, fields: acceptance.fields))
                    let ours = try #require(acceptance.extensions.deflate)
                    let theirs = try #require(outcome.extensions.deflate)
                    #expect(ours.outgoing.windowBits <= theirs.incoming.windowBits)
                    #expect(theirs.outgoing.windowBits <= ours.incoming.windowBits)
                    #expect(!ours.outgoing.keepsContext || theirs.incoming.keepsContext)
                    #expect(!theirs.outgoing.keepsContext || ours.incoming.keepsContext)
                }
            }
        }
    }
}
