package redis

// SharedURL and ClusterURL are the addresses of the servers that tests share, for Examples.
func SharedURL() (string, error) {
	s, err := shared()
	if err != nil {
		return "", err
	}
	return s.URL, nil
}

func ClusterURL() (string, error) {
	s, err := sharedCluster()
	if err != nil {
		return "", err
	}
	return s.URL, nil
}
