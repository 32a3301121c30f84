import Bytes
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("::1", "::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1:2", "fe80::1:2"),
    ])
    func readsAndWritesAsTheStandardsDo(_ text: String, _ written: String) {
        #expect(IPAddress(text)?.description == written)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\u{0}", "[::1]", "::1%lo", ":::",
        "localhost", "1.2.3.4:80", "12345::", "1:2:3:4:5:6:7:8:9", String(repeating: "1", count: 100),
    ])
    func refusesWhatIsNoAddress(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test func anIPv4AddressIsTheSameInBothFamilies() {
        let plain = IPAddress("10.1.2.3")
        #expect(plain == IPAddress("::ffff:10.1.2.3"))
        #expect(plain?.isIPv4 == true)
        #expect(plain == IPAddress(v4: 0x0A01_0203))
        let octets: [UInt8] = [10, 1, 2, 3]
        #expect(plain == octets.withUnsafeBytes { IPAddress(octets: $0) })
        let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + octets
        #expect(plain == mapped.withUnsafeBytes { IPAddress(octets: $0) })
        #expect(mapped.dropLast().withUnsafeBytes { IPAddress(octets: $0) } == nil)
    }

    @Test func knowsThisMachine() {
        let texts = ["127.0.0.1", "127.9.9.9", "::1", "128.0.0.1", "::2", "::127.0.0.1"]
        #expect(texts.map { IPAddress($0)?.isLoopback } == [true, true, true, false, false, false])
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false), ("192.0.2.7/32", "192.0.2.7", true), ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false), ("::/0", "203.0.113.9", true), ("2001:db8::/33", "2001:db8:7fff::", true),
        ("2001:db8::/33", "2001:db8:8000::", false), ("::1", "::1", true), ("fe80::/10", "febf::1", true),
        ("10.0.0.0/8", "::ffff:10.0.0.1", true), ("::ffff:0:0/96", "10.0.0.1", true),
        ("2001:db8::8000:0:0:0/65", "2001:db8::8001:0:0:0", true),
        ("192.0.2.128/25", "192.0.2.127", false), ("192.0.2.128/25", "192.0.2.255", true),
    ])
    func aRangeHoldsWhatHasItsPrefix(_ range: String, _ address: String, _ isInside: Bool) throws {
        #expect(try CIDRBlock(range).contains(try #require(IPAddress(address))) == isInside)
    }

    @Test func aRangeThatIsNoneSaysWhy() {
        #expect(throws: CIDRBlock.ParseError.noAddress) { try CIDRBlock("proxy.example/8") }
        #expect(throws: CIDRBlock.ParseError.noAddress) { try CIDRBlock("") }
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/1000"] {
            #expect(throws: CIDRBlock.ParseError.noPrefixLength(max: 32)) { try CIDRBlock(text) }
        }
        #expect(throws: CIDRBlock.ParseError.noPrefixLength(max: 128)) { try CIDRBlock("::/129") }
        #expect(throws: CIDRBlock.ParseError.bitsBeyondPrefix(meant: "10.0.0.0/8")) { try CIDRBlock("10.1.2.3/8") }
        #expect(throws: CIDRBlock.ParseError.bitsBeyondPrefix(meant: "2001:db8::/32")) { try CIDRBlock("2001:db8::1/32") }
    }

    @Test func rangesAreWrittenAsTheyAreRead() throws {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "::1/128", "::/0"] {
            #expect(try CIDRBlock(text).description == text)
        }
    }

    /// A range that holds an address holds exactly those with the same first bits.
    @Test func membershipIsThePrefix() throws {
        for length in 0...32 {
            let base: UInt32 = length == 0 ? 0 : 0xC0A8_1234 & (.max << UInt32(32 - length))
            let block = try CIDRBlock("\(IPAddress(v4: base))/\(length)")
            for bit in 0..<32 {
                #expect(block.contains(IPAddress(v4: base ^ (1 << UInt32(31 - bit)))) == (bit >= length))
            }
        }
    }
}
