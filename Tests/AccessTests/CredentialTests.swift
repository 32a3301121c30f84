import Bytes
import Network
import Testing

@testable import Access

/// Secrets of keys, tokens, tickets and scopes.
@Suite struct CredentialTests {
    @Test func aSecretChecksItself() {
        let secret = APIKeySecret().text
        #expect(secret.utf8.count == 52 && APIKeySecret.isWellFormed(secret))
        for index in [3, 20, 45, 51] {
            var letters = Array(secret)
            letters[index] = letters[index] == "x" ? "y" : "x"
            #expect(!APIKeySecret.isWellFormed(String(letters)))
        }
        #expect(!APIKeySecret.isWellFormed(secret + "0") && !APIKeySecret.isWellFormed(""))
        #expect(APIKeySecret().text != secret)
    }

    @Test func scopesAreReadAndWrittenAsWords() throws {
        #expect(Scopes(text: "chat, responses:read")?.names == ["responses:read", "chat"])
        #expect(Scopes(text: "responses responses:read")?.names == ["responses"])
        #expect(Scopes(text: "all")?.names == ["all"])
        #expect(Scopes(text: "admin")?.names == ["admin"])
        #expect(Scopes(text: "chat everything") == nil)
        #expect(try #require(Scopes(text: "sessions")).isSuperset(of: .sessionsRead))
        #expect(!Scopes.all.isSuperset(of: .admin) && Scopes.admin.isSuperset(of: .all))
    }

    @Test func everyScopeIsItsOwnWord() throws {
        for name in Scopes.names { #expect(try #require(Scopes(text: name)).text == name) }
    }

    private let tokens = ClientTokens(secret: Array(0..<32))

    private var caller: Caller {
        var caller = Caller(owner: "Ada \"é\"", keyID: "key_1", scopes: [.chat, .sessionsRead])
        caller.binding = .session("sess_1")
        return caller
    }

    @Test func aTokenStandsForItsCallerUntilItExpires() throws {
        let token = tokens.sign(caller, expiresAt: 100)
        let read = try #require(tokens.caller(token, at: 99))
        #expect(read.owner == caller.owner && read.keyID == "key_1" && read.scopes == caller.scopes)
        #expect(read.binding == .session("sess_1") && !read.hasKey && read.expiresAt == 100)
        #expect(tokens.caller(token, at: 100) == nil)
        #expect(ClientTokens(secret: Array(1..<33)).caller(token, at: 99) == nil)
    }

    @Test func aTokenThatWasTouchedIsNone() {
        let token = Array(tokens.sign(caller, expiresAt: 100))
        for index in token.indices {
            var touched = token
            touched[index] = touched[index] == "A" ? "B" : "A"
            let text = String(touched)
            // The last letter of base64 may hold bits that count for nothing: those are refused, too.
            #expect(tokens.caller(text, at: 1) == nil, "\(index)")
        }
        #expect(tokens.caller("ijt-", at: 1) == nil && tokens.caller("ijt-.", at: 1) == nil)
    }

    @Test func aTicketIsGoodOnceAndNotForLong() throws {
        let tickets = StreamTickets()
        let now = Instant(nanoseconds: 0)
        let ticket = try #require(tickets.issue(to: caller, for: .response("resp_1"), lifetime: .seconds(600), now: now))
        let late = try #require(tickets.issue(to: caller, for: .response("resp_1"), lifetime: .seconds(600), now: now))
        #expect(tickets.redeem(ticket, now: now + .seconds(59))?.binding == .response("resp_1"))
        #expect(tickets.redeem(ticket, now: now + .seconds(59)) == nil)
        #expect(tickets.redeem(late, now: now + .seconds(60)) == nil)
    }

    @Test func wrongKeysOfOneAddressAreCountedAndForgiven() throws {
        let attempts = FailedAttempts(perMinute: 2, includesLoopback: false)
        let now = Instant(nanoseconds: 0)
        let address = try #require(IPAddress("192.0.2.1"))
        let other = IPAddress("192.0.2.2")
        let loopback = IPAddress("127.0.0.1")
        for _ in 0..<2 {
            #expect(attempts.waiting(address, now: now) == nil)
            attempts.note(address, now: now)
            attempts.note(loopback, now: now)
        }
        #expect(attempts.waiting(address, now: now) == .seconds(30))
        #expect(attempts.waiting(other, now: now) == nil && attempts.waiting(loopback, now: now) == nil)
        #expect(attempts.waiting(address, now: now + .seconds(30)) == nil)
        #expect(attempts.total == 4)
    }
}
