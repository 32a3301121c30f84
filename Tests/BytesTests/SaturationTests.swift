import Bytes
import Testing

@Suite struct SaturationTests {
    @Test(arguments: [
        (0.0, 0), (-0.0, 0), (1e-300, 0), (-1e-300, 0), (1.9, 1), (-1.9, -1), (1e300, Int.max), (-1e300, Int.min),
        (.infinity, Int.max), (-.infinity, Int.min), (.nan, 0), (9_007_199_254_740_992, 9_007_199_254_740_992),
        (9_223_372_036_854_775_808, Int.max), (-9_223_372_036_854_775_808, Int.min),
    ])
    func doublesBecomeTheNearestInteger(_ value: Double, _ expected: Int) {
        #expect(Int(saturating: value) == expected)
    }

    @Test func whatDoesNotFitASmallerTypeStopsAtItsBound() {
        #expect(UInt8(saturating: 256) == 255)
        #expect(UInt64(saturating: -1) == 0)
        #expect(Int32(saturating: 1e10) == .max)
    }

    @Test func sumsDifferencesAndProductsStopAtTheBound() {
        #expect(Int.max.saturatingAdding(1) == .max)
        #expect(Int.min.saturatingAdding(-1) == .min)
        #expect(Int.min.saturatingSubtracting(1) == .min)
        #expect(0.saturatingSubtracting(Int.min) == .max)
        #expect(UInt(0).saturatingSubtracting(1) == 0)
        #expect(Int.max.saturatingMultiplied(by: 2) == .max)
        #expect(Int.max.saturatingMultiplied(by: -2) == .min)
        #expect(Int.min.saturatingMultiplied(by: -1) == .max)
        #expect(2.saturatingAdding(3).saturatingSubtracting(1).saturatingMultiplied(by: 5) == 20)
    }

    @Test func durationsAreAtMostTheLongest() {
        #expect(Duration(saturatingSeconds: 1e300) == .longest)
        #expect(Duration(saturatingSeconds: Int.max) == .longest)
        #expect(Duration(saturatingSeconds: -Double.infinity) == .zero - .longest)
        #expect(Duration(saturatingSeconds: Double.nan) == .zero)
        #expect(Duration(saturatingSeconds: 0.25) == .milliseconds(250))
    }
}
