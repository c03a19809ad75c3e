package queuetest
func killClauses() []clause { return nil }
func poisonClauses() []clause { return nil }
func troubleClauses() []clause { return nil }
func stopClauses() []clause { return nil }
