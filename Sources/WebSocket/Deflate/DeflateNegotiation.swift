extension DeflateOptions {
    // The server's side

    /// The first offer that can be accepted, RFC 7692 §5 and §7.1; nil to decline all of them by silence.
    func accept(_ offers: [ExtensionOffer]) -> (agreement: DeflateAgreement, response: DeflateParameters)? {
        offers.lazy.compactMap(DeflateParameters.init).first.map(accept)
    }

    private func accept(_ offer: DeflateParameters) -> (agreement: DeflateAgreement, response: DeflateParameters) {
        var response = DeflateParameters()
        // Both may stand in a response without an offer, §7.1.1.
        response.serverNoContextTakeover = offer.serverNoContextTakeover || !keepsOutgoingContext
        response.clientNoContextTakeover = offer.clientNoContextTakeover || !keepsIncomingContext
        // Said only when asked, where it is a duty: a smaller window needs nobody's leave.
        response.serverMaxWindowBits = offer.serverMaxWindowBits.map { min($0, windowBits) }
        // May not stand in a response unless it was offered, §7.1.2.2.
        var incomingWindowBits = 15
        switch offer.clientMaxWindowBits {
        case nil: break
        case .any: incomingWindowBits = windowBits
        case .bits(let bits): incomingWindowBits = min(bits, windowBits)
        }
        if offer.clientMaxWindowBits != nil { response.clientMaxWindowBits = .bits(incomingWindowBits) }
        let agreement = DeflateAgreement(
            self, maxOutgoingWindowBits: offer.serverMaxWindowBits ?? 15,
            keepsOutgoingContext: !response.serverNoContextTakeover, incomingWindowBits: incomingWindowBits,
            keepsIncomingContext: !response.clientNoContextTakeover)
        return (agreement, response)
    }

    // The client's side

    /// What a client offers.
    var offer: DeflateParameters {
        var offer = DeflateParameters()
        offer.serverNoContextTakeover = !keepsIncomingContext
        offer.clientNoContextTakeover = !keepsOutgoingContext
        offer.clientMaxWindowBits = .any
        return offer
    }

    /// Judges a server's answer to ``offer``; nil when it declined.
    func validate(_ response: [ExtensionOffer]) throws(HandshakeFailure) -> DeflateAgreement? {
        guard let element = response.first else { return nil }
        guard response.count == 1, element.name == DeflateParameters.extensionName else { throw .extensionNotOffered }
        guard let parameters = DeflateParameters(element), parameters.clientMaxWindowBits != .any,
            parameters.serverNoContextTakeover || keepsIncomingContext
        else { throw .invalidExtensionResponse }
        var outgoingWindowBits = 15
        if case .bits(let bits) = parameters.clientMaxWindowBits { outgoingWindowBits = bits }
        return DeflateAgreement(
            self, maxOutgoingWindowBits: outgoingWindowBits,
            keepsOutgoingContext: keepsOutgoingContext && !parameters.clientNoContextTakeover,
            incomingWindowBits: parameters.serverMaxWindowBits ?? 15, keepsIncomingContext: !parameters.serverNoContextTakeover)
    }
}
