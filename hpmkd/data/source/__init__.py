"""What lies in a user's data set: its files, parts, labels and images, whatever their layout."""
